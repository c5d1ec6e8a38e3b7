-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- What the agent writes for the filter's group.
local KEYS = "/var/lib/posthouse/dkim/"

dofile("/etc/rspamd/posthouse/bounds.lua")
dofile("/etc/rspamd/posthouse/utf8.lua")
dofile("/etc/rspamd/posthouse/authors.lua")
dofile("/etc/rspamd/posthouse/outgoing.lua")

-- What a Sieve script redirects may say anything in From:, since it came from outside. It keeps the signature that it
-- came with, and gets no other. The agent tells so in the first Received: header of local mail.
local function is_redirected(task)
  local received = task:get_user() == "unix" and (task:get_header_full("Received") or {})[1]
  return received and (received.value or ""):find("(Postfix, passed on for its recipient)", 1, true)
end

-- The key of a domain. Each line of selectors.map is "DOMAIN SELECTOR".
local function key_of(domain)
  for line in io.lines(KEYS .. "selectors.map") do
    local known, selector = line:match("^(%S+)%s+(%S+)")
    if known == domain then
      return { domain = known, selector = selector, key = KEYS .. known .. "." .. selector .. ".key" }
    end
  end
end

-- A key, and its twin where it has one (ed25519 beside RSA): both sign.
local function with_twin(one)
  local twin = KEYS .. one.domain .. "." .. one.selector .. "-ed25519.key"
  local file = io.open(twin)
  if not file then
    return one
  end
  file:close()
  return { one, { domain = one.domain, selector = one.selector .. "-ed25519", key = twin } }
end

-- The keys that sign a mail of our own users: those of the domain in From:, or of the envelope sender where there is
-- none. Who may write what there is the agent's matter.
local function key(task)
  if not task:get_user() or is_redirected(task) then
    return nil
  end
  local from = (task:get_from("mime") or {})[1] or (task:get_from("smtp") or {})[1]
  local found = key_of(from and (from.domain or ""):lower())
  return found and with_twin(found)
end

-- Mail that comes by master.cf's "forwarded".
local function is_forwarded(task)
  return task:get_user() == "forward"
end

-- Mail that was judged spam when it came, or that the agent keeps here.
local function is_kept(task)
  return is_forwarded(task) and (task:get_header("X-Spam") or ""):lower() == "yes"
end

-- The key that seals what is forwarded: the main domain's, which stands in its new sender.
-- 3.4 puts more than one earlier seal in the wrong order, and would break their chain.
local function seal(task)
  if not is_forwarded(task) or is_kept(task) or #(task:get_header_full("ARC-Seal") or {}) > 1 then
    return nil
  end
  return key_of("snorl.ax")
end
rspamd_config:add_condition("ARC_CHECK", is_forwarded)

-- What was found of SPF, in the words of RFC 7208 section 2.6, by Rspamd's symbols.
local SPF = {
  R_SPF_ALLOW = { "pass", "is permitted to send for" },
  R_SPF_FAIL = { "fail", "is not permitted to send for" },
  R_SPF_SOFTFAIL = { "softfail", "is probably not permitted to send for" },
  R_SPF_NEUTRAL = { "neutral", "is neither permitted nor denied by" },
  R_SPF_NA = { "none", "is not spoken of by" },
  R_SPF_PERMFAIL = { "permerror", "cannot be judged: unreadable record of" },
  R_SPF_DNSFAIL = { "temperror", "cannot be judged: no answer for" },
}

-- The Received-SPF header of a message, by its name. What the other side said itself is told as RFC 5322's quoted
-- strings, without what could end one.
local function received_spf(task)
  local function quoted(text)
    return '"' .. tostring(text or ""):gsub("[^%w@.+=_:-]", "?") .. '"'
  end
  local helo = task:get_helo() or "unknown"
  local sender = (task:get_from("smtp") or {})[1]
  local who = sender and (sender.addr or "") ~= "" and sender.addr or "postmaster@" .. helo
  for symbol, words in pairs(SPF) do
    if task:has_symbol(symbol) then
      local ip = tostring(task:get_from_ip())
      local domain = who:match("@([%w.-]+)$") or "the sender"
      local text = ("%s (mail.snorl.ax: %s %s %s) client-ip=%s; envelope-from=%s; helo=%s;"):format(
        words[1], ip, words[2], domain, ip, quoted(who), quoted(helo))
      return { ["Received-SPF"] = text, ["X-Posthouse-Sender"] = task:cache_get("posthouse_sender") }
    end
  end
  return {}
end

rspamd_plugins["posthouse"] = { key = key, seal = seal, received_spf = received_spf }

-- The proxy would take the mark away from what is not judged anew.
rspamd_config:register_symbol({
  name = "POSTHOUSE_KEPT",
  type = "postfilter",
  callback = function(task)
    if is_kept(task) then
      task:set_pre_result("add header", "Judged before", "posthouse")
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
