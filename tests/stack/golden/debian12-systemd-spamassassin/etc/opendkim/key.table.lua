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

-- domain, selector and key of the name that signing.table.lua gave
local selector = query and selector_of(query)
if selector then
  return query, selector, "/var/lib/posthouse/dkim/" .. query .. "." .. selector .. ".key"
end
