-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.
-- Asked only after a login was found right: tells the agent of it by a pipe, and never waits for an answer. The agent
-- notes when an app password was used, and makes anew the hash of a password whose scheme is an old one.

local function hex(text)
  return (text:gsub(".", function(sign) return string.format("%02x", sign:byte()) end))
end

local function tell(...)
  local line = table.concat({...}, "\t") .. "\n"
  -- Opened so, a pipe that nobody reads is no error, and nobody is waited for. Up to 4096 bytes go as one (pipe(7)).
  local pipe = #line <= 4096 and io.open("/var/lib/posthouse/logins/told", "r+")
  if pipe then
    pipe:setvbuf("full", 8192)
    pipe:write(line)
    pipe:close()
  end
end

function auth_password_verify(request, password)
  local app = request:var_expand("%{passdb:app}")
  if app ~= "-" then
    tell("used", request.user, hex(app), request:var_expand("%{remote_ip}"))
  elseif request:var_expand("%{passdb:hash}") == "old" and #password <= 1024 then
    tell("old", request.user, hex(password))
  end
  return dovecot.auth.PASSDB_RESULT_OK, {}
end
