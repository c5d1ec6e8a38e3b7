-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- What a Sieve script redirects may say anything in From:, since it came from outside. It keeps the signature that it
-- came with, and gets no other. The agent tells so in the first Received: header of local mail.
if odkim.get_mtasymbol(ctx, "daemon_name") == "LOCAL" then
  local received = odkim.get_header(ctx, "Received", 0)
  if received and received:find("(Postfix, passed on for its recipient)", 1, true) then
    odkim.set_result(ctx, SMFIS_ACCEPT)
  end
end

-- Where nothing answered SPF for the sender's domain (posthouse.gate.spf), its name servers are not waited for again: the
-- gate calls its signature unasked.
local spf = odkim.get_header(ctx, "Received-SPF", 0) or ""
if spf:match("^%s*temperror %([^()]* nothing answers for ") then
  local silent = (odkim.get_envfrom(ctx) or ""):lower():match("@([%w.-]+)>?%s*$")
  local others, number = 0, 0
  local signature = odkim.get_header(ctx, "DKIM-Signature", 0)
  while signature do
    local domain = (";" .. signature:gsub("%s", ""):lower()):match(";d=([^;]*)")
    others = others + (domain == silent and 0 or 1)
    number = number + 1
    signature = odkim.get_header(ctx, "DKIM-Signature", number)
  end
  if number > 0 and others == 0 then
    odkim.set_result(ctx, SMFIS_ACCEPT)
  end
end
