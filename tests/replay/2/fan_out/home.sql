BEGIN TRANSACTION;
CREATE TABLE action_resources (
    resource TEXT NOT NULL, action INTEGER NOT NULL, PRIMARY KEY (resource, action)
) WITHOUT ROWID;
INSERT INTO "action_resources" VALUES('book:Emma',1);
INSERT INTO "action_resources" VALUES('book:Faust',2);
INSERT INTO "action_resources" VALUES('book:Kim',3);
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, run_id TEXT NOT NULL, step TEXT NOT NULL,
    tool TEXT NOT NULL, agent TEXT NOT NULL, at REAL NOT NULL, irreversible INTEGER NOT NULL,
    resources BLOB NOT NULL
);
INSERT INTO "actions" VALUES(1,'093c800f9aab9d425062b00237846ef7','run_6839c7ta3m','p/each[0]','shelf.put','ann',1.79563476263390970231e+09,0,X'5B22626F6F6B3A456D6D61225D');
INSERT INTO "actions" VALUES(2,'e12dae1631215f406f6fa6ff0502a338','run_6839c7ta3m','p/each[1]','shelf.put','ann',1.79563476263533782959e+09,0,X'5B22626F6F6B3A4661757374225D');
INSERT INTO "actions" VALUES(3,'d1741fb0983a60029d7731935c7fb85a','run_6839c7ta3m','p/each[2]','shelf.put','ann',1.7956347626364367008e+09,0,X'5B22626F6F6B3A4B696D225D');
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
INSERT INTO "counters" VALUES('ticket',4);
CREATE TABLE leases (
    resource TEXT NOT NULL, ticket INTEGER NOT NULL, holder TEXT NOT NULL, owner TEXT NOT NULL,
    is_write INTEGER NOT NULL, held INTEGER NOT NULL, PRIMARY KEY (resource, ticket)
) WITHOUT ROWID;
CREATE TABLE lock_epochs (
    epoch INTEGER PRIMARY KEY, engaged INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('key',X'10A0E2FB9223E32627A98F2B1FF2EDB0CCEC86D0669D523AE6B7353754BE2EC8');
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('run_6839c7ta3m','/RUN','LIVE',1.79563476263164496426e+09,'finished',21,'7aa138904fd775f73ac6b8b8945db5763d1b30cb627972ff56b3622fbf505f21');
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
