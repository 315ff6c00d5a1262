import { redisScript } from "./session-connection.ts";

// Lua that runs whole on the server, each on the keys of one conversation (see session-keys.ts for their order). Payloads
// pass through as they are: nothing of a message is decoded here.

const keys = `
local function keysFrom(first)
  return KEYS[first], KEYS[first + 1], KEYS[first + 2], KEYS[first + 3], KEYS[first + 4], KEYS[first + 5], KEYS[first + 6], KEYS[first + 7]
end
local function touch(first, ttl)
  if ttl > 0 then for index = first, first + 7 do redis.call('PEXPIRE', KEYS[index], ttl) end end
end
`;

/** Whether the conversation is there for the user ('' is any) and resource ('' is any). */
const mine = `
local function isMine(conversation, user, resource)
  local fields = redis.call('HMGET', conversation, 'userId', 'resourceId')
  if not fields[1] then return false end
  if user ~= '' and fields[1] ~= user then return false end
  return resource == '' or fields[2] == resource
end
`;

/** What is owed for a place: attempts, the revision it is owed for, and the last error. */
const owed = `
local function owe(due, work, member, revision, now)
  redis.call('HSET', work, member, '0\\t' .. revision .. '\\t')
  redis.call('ZADD', due, now, member)
end
local function unowe(due, work, member)
  redis.call('ZREM', due, member)
  redis.call('HDEL', work, member)
end
`;

const listing = `
local function listIn(first, id, createdAt, updatedAt, title)
  redis.call('ZADD', KEYS[first], updatedAt, id)
  redis.call('ZADD', KEYS[first + 1], createdAt, id)
  local old = redis.call('HGET', KEYS[first + 3], id)
  if old == title then return end
  if old then redis.call('ZREM', KEYS[first + 2], old) end
  redis.call('ZADD', KEYS[first + 2], 0, title)
  redis.call('HSET', KEYS[first + 3], id, title)
end
`;

/** Into the user's listing and the tenant's: four keys each, and the owners. */
const listings = `${listing}
local function list(first, id, user, createdAt, updatedAt, title)
  listIn(first, id, createdAt, updatedAt, title)
  listIn(first + 4, id, createdAt, updatedAt, title)
  redis.call('HSET', KEYS[first + 8], id, user)
end
`;

/** Into one listing, where those of a conversation are on different nodes; a fifth key is that of the owners. `isNew`: unless it is in. */
export const listScript = redisScript(`${listing}
local id, user, createdAt, updatedAt, title, isNew = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
if isNew and redis.call('HEXISTS', KEYS[4], id) == 1 then return 0 end
listIn(1, id, createdAt, updatedAt, title)
if KEYS[5] and not isNew then redis.call('HSET', KEYS[5], id, user) end
return 1`);

/**
 * Takes conversations out of one listing, a user's or the tenant's (user ''), and out of the owners. Those whose own key is
 * given too stay while they are there.
 */
export const unlistScript = redisScript(`
local user = ARGV[1]
for index = 2, #ARGV do
  local id, conversation = ARGV[index], KEYS[4 + index]
  local owner = conversation and redis.call('HGET', conversation, 'userId')
  if not owner or (user ~= '' and owner ~= user) then
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    local title = redis.call('HGET', KEYS[4], id)
    if title then redis.call('ZREM', KEYS[3], title) end
    redis.call('HDEL', KEYS[4], id)
    if user == '' then redis.call('HDEL', KEYS[5], id) end
  end
end
return 1`);

/**
 * Appends to any number of conversations: eight keys each, and nine of its listings where these are in reach (they are not on
 * a cluster). Answers for each: whether it was allowed, createdAt, updatedAt, title member, and the place and time of each message.
 */
export const appendScript = redisScript(`${keys}${owed}${listings}
local at = 0
local function take() at = at + 1; return ARGV[at] end
local ttl, now, owes, groups, listed = tonumber(take()), take(), take() == '1', tonumber(take()), take() == '1'
local width = listed and 17 or 8
local answers = {}
for group = 1, groups do
  local first = (group - 1) * width + 1
  local conversation, messages, meta, order, ids, tools, due, work = keysFrom(first)
  local user, id, required, mayCreate, resource, data, title = take(), take(), take(), take() == '1', take(), take(), take()
  local firstAt, lastAt, count = take(), take(), tonumber(take())
  local known = redis.call('HMGET', conversation, 'userId', 'resourceId', 'createdAt', 'updatedAt', 'nextSeq', 'title')
  local allowed = mayCreate
  if known[1] then allowed = known[1] == user and (required == '' or known[2] == required) end
  if not allowed then
    at = at + count * 8
    answers[group] = {0}
  else
    local createdAt, updatedAt, nextSeq = known[3], known[4], tonumber(known[5] or '1')
    if known[1] then
      title = known[6]
      if tonumber(lastAt) > tonumber(updatedAt) then updatedAt = lastAt end
    else
      createdAt, updatedAt = firstAt, lastAt
      redis.call('HSET', conversation, 'userId', user, 'resourceId', resource, 'data', data, 'title', title, 'createdAt', createdAt)
    end
    local answer = {1, createdAt, updatedAt, title}
    for _ = 1, count do
      local message, written, importance, revision, brought, toolIds, role, payload = take(), take(), take(), take(), take() == '1', take(), take(), take()
      local seq = redis.call('HGET', ids, message)
      local changed = true
      if seq then
        local oldWritten, oldImportance, oldRevision = string.match(redis.call('HGET', meta, seq), '^([^\\t]*)\\t([^\\t]*)\\t([^\\t]*)\\t')
        written = oldWritten
        if importance == '' then importance = oldImportance end
        changed = oldRevision ~= revision
      else
        seq = string.format('%.0f', nextSeq)
        nextSeq = nextSeq + 1
        redis.call('HSET', ids, message, seq)
        redis.call('ZADD', order, seq, seq)
      end
      redis.call('HSET', messages, seq, payload)
      redis.call('HSET', meta, seq, written .. '\\t' .. importance .. '\\t' .. revision .. '\\t' .. role)
      if toolIds == '' then redis.call('HDEL', tools, seq) else redis.call('HSET', tools, seq, toolIds) end
      if revision == '' or brought then unowe(due, work, 'e:' .. seq)
      elseif owes and changed then owe(due, work, 'e:' .. seq, revision, now) end
      table.insert(answer, seq)
      table.insert(answer, written)
    end
    redis.call('HSET', conversation, 'updatedAt', updatedAt, 'nextSeq', string.format('%.0f', nextSeq))
    touch(first, ttl)
    if listed then list(first + 8, id, user, createdAt, updatedAt, title) end
    answers[group] = answer
  end
end
return answers`);

/** 1, or 0 when the id is taken. */
export const createScript = redisScript(`${keys}${listings}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local ttl, listed, user, id, resource, data, title, now = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
redis.call('HSET', KEYS[1], 'userId', user, 'resourceId', resource, 'data', data, 'title', title, 'createdAt', now, 'updatedAt', now, 'nextSeq', '1')
touch(1, ttl)
if listed then list(9, id, user, now, now, title) end
return 1`);

/** The fields of the conversation, when it is this user's and resource's. */
export const getScript = redisScript(`${keys}${mine}
if not isMine(KEYS[1], ARGV[1], ARGV[2]) then return {} end
touch(1, tonumber(ARGV[3]))
return redis.call('HMGET', KEYS[1], 'userId', 'resourceId', 'data', 'createdAt', 'updatedAt')`);

/** Sets new data where the old is still what was read; nil: look again. Answers the time. */
export const updateScript = redisScript(`${keys}${listings}
local old, data, title, now, ttl, listed, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7]
local known = redis.call('HMGET', KEYS[1], 'data', 'updatedAt', 'createdAt', 'userId')
if known[1] ~= old then return false end
local updatedAt = known[2]
if tonumber(now) > tonumber(updatedAt) then updatedAt = now end
redis.call('HSET', KEYS[1], 'data', data, 'title', title, 'updatedAt', updatedAt)
touch(1, ttl)
if listed then list(9, id, known[4], known[3], updatedAt, title) end
return updatedAt`);

/**
 * The newest rows that match, newest first: 0 when there is no such conversation, else 1 and for each its place, its
 * meta and its payload.
 */
export const windowScript = redisScript(`${keys}${mine}
local user, resource, ttl, below, above, before, after, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
if not isMine(KEYS[1], user, resource) then return {0} end
local roles
if ARGV[9] == 'roles' then
  roles = {}
  for index = 10, #ARGV do roles[ARGV[index]] = true end
end
touch(1, ttl)
local answer, taken, offset = {1}, 0, 0
while taken < limit do
  local places = redis.call('ZRANGE', KEYS[4], below, above, 'BYSCORE', 'REV', 'LIMIT', offset, math.max(limit - taken, 64))
  if #places == 0 then break end
  offset = offset + #places
  for _, seq in ipairs(places) do
    if taken == limit then break end
    local meta = redis.call('HGET', KEYS[3], seq)
    local written, role = string.match(meta, '^([^\\t]*)\\t[^\\t]*\\t[^\\t]*\\t(.*)$')
    written = tonumber(written)
    if (not roles or roles[role]) and (before == '' or written < tonumber(before)) and (after == '' or written > tonumber(after)) then
      taken = taken + 1
      table.insert(answer, seq)
      table.insert(answer, meta)
      table.insert(answer, redis.call('HGET', KEYS[2], seq))
    end
  end
end
return answer`);

/** Places and tool ids of everything that takes part in a tool exchange. */
export const toolsScript = redisScript("return redis.call('HGETALL', KEYS[6])");

/** Messages by id ('i') or by place ('s'): user, resource, and for each that is there its place, meta and payload. */
export const messagesScript = redisScript(`${keys}${mine}
local user, resource, ttl, by = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not isMine(KEYS[1], user, resource) then return {} end
touch(1, ttl)
local answer = redis.call('HMGET', KEYS[1], 'userId', 'resourceId')
for index = 5, #ARGV do
  local seq = ARGV[index]
  if by == 'i' then seq = redis.call('HGET', KEYS[5], seq) end
  local payload = seq and redis.call('HGET', KEYS[2], seq)
  if payload then
    table.insert(answer, seq)
    table.insert(answer, redis.call('HGET', KEYS[3], seq))
    table.insert(answer, payload)
  end
end
return answer`);

/**
 * Deletes messages by id, or all ('*'), or the conversation with them ('-'); what was stored elsewhere of them is owed a
 * removal, in pieces of a thousand. -1: no such conversation; else how many messages there were.
 */
export const deleteScript = redisScript(`${keys}${mine}
local user, resource, ttl, owes, now, mark, what = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5], ARGV[6], ARGV[7]
local conversation, messages, meta, order, ids, tools, due, work = keysFrom(1)
if not isMine(conversation, user, resource) then return -1 end
local owner = redis.call('HGET', conversation, 'userId')
local gone = {}
if what == '*' or what == '-' then gone = redis.call('HKEYS', ids)
else
  local seen = {}
  for index = 8, #ARGV do
    local id = ARGV[index]
    if not seen[id] and redis.call('HEXISTS', ids, id) == 1 then table.insert(gone, id) end
    seen[id] = true
  end
end
local piece, pieces = {}, 0
local function removal()
  if owes and #piece > 0 then
    pieces = pieces + 1
    local member = 'f:' .. mark .. ':' .. pieces
    redis.call('HSET', work, member, '0\\t\\t', member .. ':ids', cjson.encode({owner, piece}))
    redis.call('ZADD', due, now, member)
  end
  piece = {}
end
for _, id in ipairs(gone) do
  local seq = redis.call('HGET', ids, id)
  redis.call('HDEL', messages, seq)
  redis.call('HDEL', meta, seq)
  redis.call('HDEL', tools, seq)
  redis.call('HDEL', ids, id)
  redis.call('ZREM', order, seq)
  redis.call('ZREM', due, 'e:' .. seq)
  redis.call('HDEL', work, 'e:' .. seq)
  table.insert(piece, id)
  if #piece == 1000 then removal() end
end
removal()
if what == '-' then redis.call('DEL', conversation, messages, meta, order, ids, tools) end
touch(1, ttl)
return #gone`);

/** Messages in order after a place, at most so many: place, meta and payload of each. */
export const exportScript = redisScript(`
local answer = {}
for _, seq in ipairs(redis.call('ZRANGE', KEYS[4], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  table.insert(answer, seq)
  table.insert(answer, redis.call('HGET', KEYS[3], seq))
  table.insert(answer, redis.call('HGET', KEYS[2], seq))
end
return answer`);

/** Owes a vector for all messages with text, or for those of these ids. How many. */
export const oweScript = redisScript(`${keys}${owed}
local now, ttl, all, owing = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '*', 0
local places = {}
if all then places = redis.call('HKEYS', KEYS[3])
else
  for index = 4, #ARGV do
    local seq = redis.call('HGET', KEYS[5], ARGV[index])
    if seq then table.insert(places, seq) end
  end
end
for _, seq in ipairs(places) do
  local revision = string.match(redis.call('HGET', KEYS[3], seq), '^[^\\t]*\\t[^\\t]*\\t([^\\t]*)\\t')
  if revision ~= '' then
    owe(KEYS[7], KEYS[8], 'e:' .. seq, revision, now)
    owing = owing + 1
  end
end
touch(1, ttl)
return owing`);

/**
 * Leases what is due of the kinds, at most so many. Answers when the next piece is due ('' for none), the owner and
 * resource, and for each: its name, when it was due, attempts, revision, and its place, meta and payload, or its ids.
 */
export const leaseScript = redisScript(`${keys}
local now, untilTime, limit, embeds, forgets, failed = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1', ARGV[6] == '1'
local due, work = KEYS[7], KEYS[8]
local fields = redis.call('HMGET', KEYS[1], 'userId', 'resourceId')
local answer, taken = {'', fields[1] or '', fields[2] or ''}, 0
local members = redis.call('ZRANGE', due, '-inf', failed and '+inf' or now, 'BYSCORE', 'WITHSCORES')
for index = 1, #members, 2 do
  local member, score = members[index], members[index + 1]
  local isVector = string.sub(member, 1, 2) == 'e:'
  local state = redis.call('HGET', work, member)
  if not state then redis.call('ZREM', due, member)
  elseif taken < limit and ((isVector and embeds) or (not isVector and forgets)) then
    local attempts, revision, problem = string.match(state, '^([^\\t]*)\\t([^\\t]*)\\t(.*)$')
    if tonumber(score) <= tonumber(now) or (failed and problem ~= '') then
      local first, second, third
      if isVector then
        first = string.sub(member, 3)
        second, third = redis.call('HGET', KEYS[3], first), redis.call('HGET', KEYS[2], first)
      else
        first, second, third = redis.call('HGET', work, member .. ':ids'), '', ''
      end
      if not first or not second or not third then
        redis.call('ZREM', due, member)
        redis.call('HDEL', work, member, member .. ':ids')
      else
        attempts = tonumber(attempts) + 1
        redis.call('HSET', work, member, attempts .. '\\t' .. revision .. '\\t')
        redis.call('ZADD', due, untilTime, member)
        taken = taken + 1
        for _, value in ipairs({member, score, tostring(attempts), revision, first, second, third}) do table.insert(answer, value) end
      end
    end
  end
end
local nextDue = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
answer[1] = nextDue[2] or ''
return answer`);

/**
 * 'settle' takes items off, 'renew' and 'fail' give them another time. An item is a name and a revision; it is left alone when it is owed
 * for another revision by now. Answers the names of those that were taken.
 */
export const workScript = redisScript(`${keys}
local what, time, problem = ARGV[1], ARGV[2], ARGV[3]
local due, work = KEYS[7], KEYS[8]
local done = {}
for index = 4, #ARGV, 2 do
  local member, revision = ARGV[index], ARGV[index + 1]
  local state = redis.call('HGET', work, member)
  local attempts, current = nil, nil
  if state then attempts, current = string.match(state, '^([^\\t]*)\\t([^\\t]*)\\t') end
  if state and current == revision then
    table.insert(done, member)
    if what == 'settle' then
      redis.call('ZREM', due, member)
      redis.call('HDEL', work, member, member .. ':ids')
    else
      redis.call('ZADD', due, time, member)
      if what == 'fail' then redis.call('HSET', work, member, attempts .. '\\t' .. current .. '\\t' .. problem) end
    end
  end
end
return done`);

/** The owner, and for each piece that is owed its name, its time and its state. */
export const owedScript = redisScript(`
local answer = {redis.call('HGET', KEYS[1], 'userId') or ''}
local members = redis.call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
  local member = members[index]
  table.insert(answer, member)
  table.insert(answer, members[index + 1])
  table.insert(answer, redis.call('HGET', KEYS[8], member) or '0\\t\\t')
  table.insert(answer, redis.call('HGET', KEYS[8], member .. ':ids') or '')
end
return answer`);

/**
 * Gives a conversation its next time in the index of what is due, when nobody else gave it one meanwhile. With nothing
 * left it goes, but not before it is old: a write may just be on its way.
 */
export const moveDueScript = redisScript(`
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
elseif tonumber(ARGV[2]) < tonumber(ARGV[4]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1`);

/** A sorted set with scores, as a flat list of texts in every protocol version. */
export const pageScript = redisScript(`
local range = {'ZRANGE', KEYS[1], ARGV[1], ARGV[2], ARGV[3]}
if ARGV[4] == 'desc' then table.insert(range, 'REV') end
for _, word in ipairs({'LIMIT', ARGV[5], ARGV[6]}) do table.insert(range, word) end
if ARGV[3] == 'BYSCORE' then table.insert(range, 'WITHSCORES') end
return redis.call(unpack(range))`);
