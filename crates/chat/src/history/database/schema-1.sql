-- A chat history. Open it with `sqlite3 chat.db`, also while the server runs, and look at the view:
--   SELECT * FROM message WHERE room = 'lobby' ORDER BY seq DESC LIMIT 20;

-- The rooms. Numbers of one up to `reserved` may have been shown; `last` is the newest one stored.
CREATE TABLE room (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    reserved INTEGER NOT NULL DEFAULT 0,
    last     INTEGER NOT NULL DEFAULT 0,
    events   INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The events first..last of a room, one JSON object a line, as they were sent.
CREATE TABLE block (
    id    INTEGER PRIMARY KEY,
    room  INTEGER NOT NULL REFERENCES room (id),
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL CHECK (last >= first),
    lines TEXT    NOT NULL,
    UNIQUE (room, first)
) STRICT;

-- Names that a password protects. `key` is the folded name, `password` its argon2 hash.
CREATE TABLE name (
    key      TEXT PRIMARY KEY,
    shown    TEXT NOT NULL,
    password TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Lamport times up to `reserved` may have been sent.
CREATE TABLE clock (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    reserved INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, 0);

CREATE VIEW message AS
SELECT room.name AS room,
       json_extract(line.value, '$.seq') AS seq,
       strftime('%Y-%m-%d %H:%M:%f', json_extract(line.value, '$.at') / 1000.0, 'unixepoch') AS at,
       json_extract(line.value, '$.event') AS event,
       coalesce(json_extract(line.value, '$.from'), json_extract(line.value, '$.name')) AS name,
       coalesce(json_extract(line.value, '$.text'), json_extract(line.value, '$.to'), json_extract(line.value, '$.reason')) AS text,
       json_extract(line.value, '$.lamport') AS lamport
FROM block
JOIN room ON room.id = block.room
JOIN json_each('[' || replace(rtrim(block.lines, char(10)), char(10), ',') || ']') AS line;
