-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- The agent's table of the keys that sign now: a line "DOMAIN SELECTOR" for each domain of ours. No such table: an
-- error, and mail waits.
local function selector_of(domain)
  for line in io.lines("/var/lib/posthouse/dkim/selectors.map") do
    local known, selector = line:match("^(%S+)%s+(%S+)")
    if known == domain then
      return selector
    end
  end
end

-- OpenDKIM asks for USER@DOMAIN, for DOMAIN and for patterns, and once at its start for nothing; the name of a key is
-- its domain.
local domain = (query or ""):lower()
if domain:match("^[%w][%w.-]*$") and selector_of(domain) then
  return domain
end
