-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- Who says to have written a mail from elsewhere, beside what DMARC (Rspamd's own module) makes of it.
local util = require "rspamd_util"
local SELECTORS = "/var/lib/posthouse/dkim/selectors.map"

-- Every domain of ours has a line in selectors.map; what is below one is ours as well.
local function is_ours(domain)
  for line in io.lines(SELECTORS) do
    local own = line:match("^(%S+)")
    if own and (domain == own or domain:sub(-#own - 1) == "." .. own) then
      return true
    end
  end
  return false
end

-- Whether SPF or a signature speaks for this domain or, as RFC 7489 section 3.1 has it in relaxed mode, its own kind.
local function vouched(task, domain)
  local organization = util.get_tld(domain)
  local sender = (task:get_from("smtp") or {})[1]
  if task:has_symbol("R_SPF_ALLOW") and sender and util.get_tld((sender.domain or ""):lower()) == organization then
    return true
  end
  for _, result in ipairs((task:get_symbol("DKIM_TRACE") or {})[1] and task:get_symbol("DKIM_TRACE")[1].options or {}) do
    local signer, verdict = result:match("^(.*):(.)$")
    if verdict == "+" and util.get_tld(signer:lower()) == organization then
      return true
    end
  end
  return false
end

-- site: dmarc.policy, for a domain of ours whose record is not published (yet) or cannot be asked for: mail from
-- elsewhere in its name, with neither SPF nor a signature of its own, is forged.
local function forged(task, authors)
  if not (task:has_symbol("DMARC_NA") or task:has_symbol("DMARC_DNSFAIL")) then
    return nil
  end
  for _, author in ipairs(authors) do
    local domain = (author.domain or ""):lower()
    local readable, ours = pcall(is_ours, domain)
    if (ours or not readable) and not vouched(task, domain) then
      return domain
    end
  end
end

local function file(task, symbol, reason)
  task:insert_result(symbol, 1.0, reason)
  task:set_pre_result("add header", reason, "posthouse")
end

local id = rspamd_config:register_symbol({
  name = "POSTHOUSE_AUTHORS",
  type = "postfilter",
  callback = function(task)
    if task:get_user() or task:has_symbol("DMARC_POLICY_REJECT") or task:has_symbol("DMARC_POLICY_QUARANTINE") then
      return
    end
    local authors = task:get_from("mime") or {}
    local domain = forged(task, authors)
    if domain then
      return file(task, "POSTHOUSE_FORGED", domain)
    end
    -- A mail program shows one of several authors, and DMARC judges none (RFC 7489 section 6.6.1).
    local one = #authors == 1 and #(task:get_header_full("From") or {}) == 1
    if not one or (authors[1].domain or "") == "" then
      return file(task, "POSTHOUSE_AUTHORS", "not exactly one author")
    end
    -- "Not from there", says the sender's domain, and no signature says who else it is from.
    if task:has_symbol("R_SPF_FAIL") and not task:has_symbol("R_DKIM_ALLOW") then
      return file(task, "POSTHOUSE_UNAUTHORIZED", "SPF fails, and there is no valid signature")
    end
  end,
})
for _, name in ipairs({ "POSTHOUSE_FORGED", "POSTHOUSE_UNAUTHORIZED" }) do
  rspamd_config:register_symbol({ name = name, type = "virtual", parent = id, score = 0.0 })
end
