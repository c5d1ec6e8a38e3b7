-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

local SELECTORS = "/var/lib/posthouse/dkim/selectors.map"

-- Whether a domain has a key. Only asked where a signature is missing, so reading the file is cheap enough.
local function has_key(domain)
  for line in io.lines(SELECTORS) do
    if line:match("^(%S+)%s") == domain then
      return true
    end
  end
  return false
end

-- Submitted and local mail never leaves unsigned where its domain has a key. (The agent has made one for every
-- domain of ours before the mail comes here; what has none is what a Sieve script passes on for others.)
rspamd_config:register_symbol({
  name = "POSTHOUSE_SIGNED",
  type = "postfilter",
  flags = "ignore_passthrough",
  callback = function(task)
    if not task:get_user() or task:has_symbol("DKIM_SIGNED") then
      return
    end
    local from = (task:get_from("mime") or {})[1] or (task:get_from("smtp") or {})[1]
    local known, answer = pcall(has_key, from and (from.domain or ""):lower())
    if not known or answer then
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
