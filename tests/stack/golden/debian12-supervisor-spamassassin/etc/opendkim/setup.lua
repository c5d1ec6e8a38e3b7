-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- What a Sieve script redirects may say anything in From:, since it came from outside. It keeps the signature that it
-- came with, and gets no other. The agent tells so in the first Received: header of local mail.
if odkim.get_mtasymbol(ctx, "daemon_name") == "LOCAL" then
  local received = odkim.get_header(ctx, "Received", 0)
  if received and received:find("(Postfix, passed on for its recipient)", 1, true) then
    odkim.set_result(ctx, SMFIS_ACCEPT)
  end
end
