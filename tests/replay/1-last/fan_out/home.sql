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
INSERT INTO "actions" VALUES(1,'0d1c7c875e756b9779494177be118240','run_5tc818r281','p/each[0]','shelf.put','ann',1.79563476224578261368e+09,0,X'5B22626F6F6B3A456D6D61225D');
INSERT INTO "actions" VALUES(2,'0f2298ab932591d1c7e0a265678c1749','run_5tc818r281','p/each[1]','shelf.put','ann',1.795634762247079134e+09,0,X'5B22626F6F6B3A4661757374225D');
INSERT INTO "actions" VALUES(3,'3dd3796a40d019afa23d93d84b44d702','run_5tc818r281','p/each[2]','shelf.put','ann',1795634762.24811,0,X'5B22626F6F6B3A4B696D225D');
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
INSERT INTO "meta" VALUES('key',X'7693615527AF9C8CA2563185DF63D28155EFB8404324F05DAE0C30D66AED13B9');
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('run_5tc818r281','/RUN','LIVE',1.79563476224385046957e+09,'finished',21,'a20d5fdc9ff6b240d178a3bbb8bc7ab08b94dd8ecc981b13fcaadf20f1c69402');
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
