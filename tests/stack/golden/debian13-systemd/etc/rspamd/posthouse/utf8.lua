-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- Senders and authors beyond ASCII (RFC 6531, 6532), as all that judges them can take them: their domain in the form that
-- is in DNS and in signatures (xn--...), and in the rest a ? for each such letter.
local LETTER = "[\192-\255][\128-\191]*"

local function plain(task, user, domain)
  domain = domain:find("[\128-\255]") and task:get_resolver():idna_convert_utf8(domain) or domain
  if domain:find("[\128-\255]") then
    return nil -- no name that could be asked for
  end
  user = user:gsub(LETTER, "?"):gsub("[\128-\255]", "?")
  local addr = user .. "@" .. domain
  return { user = user, domain = domain, addr = addr, raw = "<" .. addr .. ">" }
end

rspamd_config:register_symbol({
  name = "POSTHOUSE_UTF8",
  type = "prefilter",
  callback = function(task)
    local sender = tostring(task:get_request_header("From") or "")
    local user, domain = sender:match("^<?(.*)@([^@>]+)>?$")
    local replaced = user and sender:find("[\128-\255]") and plain(task, user, domain)
    if replaced then
      -- twice, since one before the last is still told as what it was
      task:set_from("smtp", replaced)
      task:set_from("smtp", replaced)
    end
    local authors = task:get_from("mime") or {}
    local one = #authors == 1 and authors[1]
    if one and one.domain and one.user and (one.user .. one.domain):find("[\128-\255]") then
      local author = plain(task, one.user, one.domain)
      if author then
        author.name = one.name
        task:set_from("mime", author)
      end
    end
  end,
})
