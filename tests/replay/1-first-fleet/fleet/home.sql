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
INSERT INTO "actions" VALUES(1,'0186de79e485eca25608208ad779b732','run_xp678tgw8g','fleet/t0','shelf.put','agent_1',1.79563476194162702564e+09,0,X'5B22626F6F6B3A566F6C756D652030225D');
INSERT INTO "actions" VALUES(2,'5de4e068fead15e6d483ac392299a098','run_xp678tgw8g','fleet/t2','shelf.put','agent_0',1.79563476194162702564e+09,0,X'5B22626F6F6B3A566F6C756D652032225D');
INSERT INTO "actions" VALUES(3,'3574ea71cdd58e8c65df009baabf3f72','run_xp678tgw8g','fleet/t1','shelf.put','agent_1',1.7956347619431068897e+09,0,X'5B22626F6F6B3A566F6C756D652031225D');
INSERT INTO "actions" VALUES(4,'10d6fdfc06f6d7280c45dcd10ed1ded3','run_xp678tgw8g','fleet/t3','shelf.put','agent_1',1.79563476194443631174e+09,0,X'5B22626F6F6B3A566F6C756D652033225D');
INSERT INTO "actions" VALUES(5,'b45a5811d0e48381dabcc6df4c723a05','run_xp678tgw8g','fleet/t4','shelf.put','agent_0',1.79563476194518852231e+09,0,X'5B22626F6F6B3A566F6C756D652034225D');
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
INSERT INTO "meta" VALUES('key',X'65C553718FFD09D1ED7C82E2A0039FE6A593A23B5E7404587A094ADAC062F947');
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('run_xp678tgw8g','/RUN','LIVE',1.79563476193908834457e+09,'held',40,'524c4bc95d7562fd4f7903f876e9ff709414e8dfdf4809f88e5e6f6ca9ebf4e1');
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
