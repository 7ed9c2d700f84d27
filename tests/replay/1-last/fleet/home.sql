BEGIN TRANSACTION;
CREATE TABLE action_resources (
    resource TEXT NOT NULL, action INTEGER NOT NULL, PRIMARY KEY (resource, action)
) WITHOUT ROWID;
INSERT INTO "action_resources" VALUES('book:Volume 0',1);
INSERT INTO "action_resources" VALUES('book:Volume 1',3);
INSERT INTO "action_resources" VALUES('book:Volume 2',2);
INSERT INTO "action_resources" VALUES('book:Volume 3',4);
INSERT INTO "action_resources" VALUES('book:Volume 4',5);
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, run_id TEXT NOT NULL, step TEXT NOT NULL,
    tool TEXT NOT NULL, agent TEXT NOT NULL, at REAL NOT NULL, irreversible INTEGER NOT NULL,
    resources BLOB NOT NULL
);
INSERT INTO "actions" VALUES(1,'7adac750e9437b4de58f12079900b4b6','run_447ccebraj','fleet/t0','shelf.put','agent_1',1.79563476233061099056e+09,0,X'5B22626F6F6B3A566F6C756D652030225D');
INSERT INTO "actions" VALUES(2,'4d22df5ab7508ce6c37a11e7f28b7fab','run_447ccebraj','fleet/t2','shelf.put','agent_0',1.79563476233061099056e+09,0,X'5B22626F6F6B3A566F6C756D652032225D');
INSERT INTO "actions" VALUES(3,'c0c4fb1932b3f23c2c1e6efa459b7ae5','run_447ccebraj','fleet/t1','shelf.put','agent_1',1.79563476233196449285e+09,0,X'5B22626F6F6B3A566F6C756D652031225D');
INSERT INTO "actions" VALUES(4,'05eabeb7d41108b2abfb5775a18ed1b4','run_447ccebraj','fleet/t3','shelf.put','agent_1',1.79563476233499526974e+09,0,X'5B22626F6F6B3A566F6C756D652033225D');
INSERT INTO "actions" VALUES(5,'7a5c1448ca4d5db7d737be96bf8340a2','run_447ccebraj','fleet/t4','shelf.put','agent_0',1.79563476233571696284e+09,0,X'5B22626F6F6B3A566F6C756D652034225D');
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY, approval_id TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, action TEXT NOT NULL,
    items INTEGER NOT NULL, binding TEXT NOT NULL, expires_at REAL NOT NULL, state TEXT NOT NULL,
    request BLOB NOT NULL, votes BLOB NOT NULL
);
CREATE TABLE breakers (subject TEXT PRIMARY KEY, opened_at REAL NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE consumptions (
    id INTEGER PRIMARY KEY, approval_id TEXT NOT NULL, action TEXT NOT NULL, UNIQUE (approval_id, action)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "counters" VALUES('approvals',0);
INSERT INTO "counters" VALUES('ticket',6);
CREATE TABLE leases (
    resource TEXT NOT NULL, ticket INTEGER NOT NULL, holder TEXT NOT NULL, owner TEXT NOT NULL,
    is_write INTEGER NOT NULL, held INTEGER NOT NULL, PRIMARY KEY (resource, ticket)
) WITHOUT ROWID;
CREATE TABLE lock_epochs (
    epoch INTEGER PRIMARY KEY, engaged INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('key',X'A9A71FB3B07EB4DD09381639ABE3E036E29FE0A8C694F936890C30273F75E89E');
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('run_447ccebraj','/RUN','LIVE',1.79563476232846069334e+09,'held',40,'8268350fdc911de9722abfe5890ee8a603d16d507eefab3ce17d8b4a37ef0f19');
CREATE TABLE tallies (
    agent TEXT NOT NULL, tool TEXT NOT NULL, calls INTEGER NOT NULL, writes INTEGER NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (agent, tool)
) WITHOUT ROWID;
CREATE TABLE usage (
    agent TEXT NOT NULL, tool TEXT NOT NULL, at REAL NOT NULL, calls INTEGER NOT NULL,
    writes INTEGER NOT NULL, PRIMARY KEY (agent, tool, at, calls)
) WITHOUT ROWID;
CREATE INDEX leases_holder ON leases (holder);
CREATE UNIQUE INDEX actions_digest ON actions (digest, run_id, step);
CREATE INDEX actions_step ON actions (run_id, step);
CREATE INDEX recipients_at ON recipients (agent, tool, at, recipient);
CREATE INDEX approvals_run ON approvals (run_id);
CREATE INDEX approvals_state ON approvals (state);
CREATE TRIGGER approvals_asked AFTER INSERT ON approvals
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;
CREATE TRIGGER approvals_decided AFTER UPDATE ON approvals
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;
CREATE TRIGGER approvals_consumed AFTER INSERT ON consumptions
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;
COMMIT;
PRAGMA application_id=1114989668;
PRAGMA user_version=1;
