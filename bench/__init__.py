"""The figures that the documentation quotes, measured on a fresh machine in one run (`script/bench`)."""
