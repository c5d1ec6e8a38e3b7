-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

local KEYS = "/var/lib/posthouse/dkim/"

-- What a Sieve script redirects may say anything in From:, since it came from outside. It keeps the signature that it
-- came with, and gets no other. The agent tells so in the first Received: header of local mail.
local function is_redirected(task)
  local received = task:get_user() == "unix" and (task:get_header_full("Received") or {})[1]
  return received and (received.value or ""):find("(Postfix, passed on for its recipient)", 1, true)
end

-- The key that signs a mail of our own users: that of the domain in From:, or of the envelope sender where there is
-- none. Who may write what there is the agent's matter. Each line of selectors.map is "DOMAIN SELECTOR".
local function key(task)
  if not task:get_user() or is_redirected(task) then
    return nil
  end
  local from = (task:get_from("mime") or {})[1] or (task:get_from("smtp") or {})[1]
  local domain = from and (from.domain or ""):lower()
  for line in io.lines(KEYS .. "selectors.map") do
    local known, selector = line:match("^(%S+)%s+(%S+)")
    if known == domain then
      return { domain = known, selector = selector, key = KEYS .. known .. "." .. selector .. ".key" }
    end
  end
end

rspamd_plugins["posthouse"] = { key = key }

-- Submitted and local mail never leaves unsigned where its domain has a key. (The agent has made one for every
-- domain of ours before the mail comes here.)
rspamd_config:register_symbol({
  name = "POSTHOUSE_SIGNED",
  type = "postfilter",
  flags = "ignore_passthrough",
  callback = function(task)
    if not task:get_user() or task:has_symbol("DKIM_SIGNED") then
      return
    end
    local readable, found = pcall(key, task)
    if not readable or found then
      task:set_pre_result("soft reject", "This message cannot be signed now, try again later", "posthouse")
    end
  end,
})

-- The test pattern for spam filters is spam like any other, wherever it stands in the mail.
rspamd_config.POSTHOUSE_GTUBE = {
  callback = function(task)
    local pattern = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    return tostring(task:get_rawbody()):find(pattern, 1, true) ~= nil
  end,
  description = "GTUBE test pattern",
  group = "posthouse",
  score = 100.0,
}
