-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- Submitted mail (site: sending.spam_score): how many points it has, and for what, is told to the agent in a header that
-- this takes away again. Nothing is refused or marked for points; what is beyond the bounds was refused before.
local function judged(task)
  if task:get_user() == "unix" or task:get_user() == "forward" or task:has_symbol("POSTHOUSE_BOUNDS") then
    return
  end
  local rules = {}
  for _, symbol in ipairs(task:get_symbols_all()) do
    if (symbol.score or 0) > 0 then
      rules[#rules + 1] = symbol.name
    end
  end
  local said = ("%.2f %s"):format((task:get_metric_score() or { 0 })[1], table.concat(rules, " "))
  task:set_milter_reply({ add_headers = { ["X-Posthouse-Outgoing"] = { value = said, order = 0 } } })
  task:set_pre_result("no action", "submitted", "posthouse")
end

-- Whether an RSA key of a domain has signed; the other signature alone is one that not everybody can verify.
local function is_signed(task, domain)
  local symbol = (task:get_symbol("DKIM_SIGNED") or {})[1]
  for _, option in ipairs(symbol and symbol.options or {}) do
    if option:sub(1, #domain + 3) == domain .. ":s=" and not option:find("-ed25519", 1, true) then
      return true
    end
  end
  return false
end

-- Submitted and local mail never leaves unsigned where its domain has a key. (The agent has made one for every
-- domain of ours before the mail comes here.)
rspamd_config:register_symbol({
  name = "POSTHOUSE_SIGNED",
  type = "postfilter",
  flags = "ignore_passthrough",
  callback = function(task)
    if not task:get_user() then
      return
    end
    local readable, found = pcall(rspamd_plugins["posthouse"].key, task)
    if not readable or found and not is_signed(task, (found[1] or found).domain) then
      task:set_pre_result("soft reject", "This message cannot be signed now, try again later", "posthouse")
      return
    end
    judged(task)
  end,
})
