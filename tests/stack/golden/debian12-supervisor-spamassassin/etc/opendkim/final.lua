-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- OpenDMARC would refuse for good where a key could not be asked for: it is told "pass" of that signature's domain, and
-- the gate puts its verdict right again (posthouse.gate.results).
local NO_ANSWER = 24 -- DKIM_SIGERROR_KEYFAIL, dkim.h
for n = 0, (odkim.get_sigcount(ctx) or 0) - 1 do
  local signature = odkim.get_sighandle(ctx, n)
  local domain = odkim.sig_getdomain(signature) or ""
  if odkim.sig_result(signature) == NO_ANSWER and domain:match("^[%w][%w.-]*$") then
    odkim.add_header(ctx, "Authentication-Results", "mail.snorl.ax; dkim=pass (unasked) header.d=" .. domain)
  end
end
