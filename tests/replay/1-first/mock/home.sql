BEGIN TRANSACTION;
CREATE TABLE action_resources (
    resource TEXT NOT NULL, action INTEGER NOT NULL, PRIMARY KEY (resource, action)
) WITHOUT ROWID;
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, run_id TEXT NOT NULL, step TEXT NOT NULL,
    tool TEXT NOT NULL, agent TEXT NOT NULL, at REAL NOT NULL, irreversible INTEGER NOT NULL,
    resources BLOB NOT NULL
);
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
INSERT INTO "counters" VALUES('ticket',0);
CREATE TABLE leases (
    resource TEXT NOT NULL, ticket INTEGER NOT NULL, holder TEXT NOT NULL, owner TEXT NOT NULL,
    is_write INTEGER NOT NULL, held INTEGER NOT NULL, PRIMARY KEY (resource, ticket)
) WITHOUT ROWID;
CREATE TABLE lock_epochs (
    epoch INTEGER PRIMARY KEY, engaged INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('key',X'BB465B87B95DC5CB87A91CF0B4EC1457B5687D2A1618B6D4FDE32BADEEBC961E');
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('run_7qe2m5z1ma','/RUN','MOCK',1.79563476158232045174e+09,'finished',7,'ca20336c33fcb9876c57c617a50c9c291795a7e187cdf9d06392294bacafdd69');
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
