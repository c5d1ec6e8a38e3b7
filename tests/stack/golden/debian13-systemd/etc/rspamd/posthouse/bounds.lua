-- Written by posthouse; your own settings belong into /etc/posthouse/overrides.

-- What no honest mail has so much of is refused before any rule looks at it, for rules take time with the square of
-- it; so does Postfix with the headers that it is told to take away. Whatever is here stands in docs/receiving.md.
local BOUNDS = { header = 524288, fields = 1000, parts = 1000, depth = 30 }

-- The reason why a message is beyond the bounds; nil where it is not.
local function beyond(task)
  local header = tostring(task:get_raw_headers() or "")
  if #header > BOUNDS.header then
    return ("a header of more than %d bytes"):format(BOUNDS.header)
  end
  local _, fields = header:gsub("\n[^ \t\r\n]", "")
  if fields >= BOUNDS.fields then
    return ("a header of more than %d fields"):format(BOUNDS.fields)
  end
  local parts = task:get_parts() or {}
  if #parts > BOUNDS.parts then
    return ("more than %d parts"):format(BOUNDS.parts)
  end
  for _, part in ipairs(parts) do
    local depth, above = 0, part:get_parent()
    while above do
      depth, above = depth + 1, above:get_parent()
      if depth > BOUNDS.depth then
        return ("parts within parts, more than %d deep"):format(BOUNDS.depth)
      end
    end
  end
end

rspamd_config:register_symbol({
  name = "POSTHOUSE_BOUNDS",
  type = "prefilter",
  priority = 10,
  callback = function(task)
    local reason = beyond(task)
    if reason then
      task:disable_symbol("MILTER_HEADERS")
      task:insert_result("POSTHOUSE_BOUNDS", 1.0, reason)
      task:set_pre_result("reject", "Not taken here: " .. reason, "posthouse")
    end
  end,
})
