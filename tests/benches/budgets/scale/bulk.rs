//! The bare insertion of the rows that decisions write: multi-row statements, one transaction, nothing looked up or signed.

use std::path::Path;
use std::time::Instant;

use actionpass_store::{DecisionCommit, SideKind};
use futures_util::future::{try_join, try_join_all};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::template::Template;

/// The tables of a store, filled without it.
pub(crate) trait Bulk: Send {
    /// Seconds for each decision, of `batches` transactions with the rows of `size` decisions each. What is inserted is made
    /// before.
    fn insert(&mut self, template: &Template, size: usize, batches: usize) -> f64;
}

/// What of a decision is the same in both.
struct Rows {
    seq: i64,
    json: String,
    side: Vec<(i16, Vec<u8>)>,
    commit: DecisionCommit,
    record: Uuid,
    pass: Uuid,
    approval: Uuid,
}

impl Rows {
    fn next(template: &Template, seq: &mut i64) -> Self {
        let commit = template.commit(true);
        let allow = commit.allow.as_ref().unwrap();
        let place = |kind: SideKind| match kind {
            SideKind::Payload => 0,
            SideKind::Context => 1,
            SideKind::Facts => 2,
            SideKind::Salt => 3,
            _ => panic!("{kind:?}"),
        };
        let side = commit.record.side().iter();
        let mut side: Vec<_> = side.map(|(kind, bytes)| (place(*kind), bytes.clone())).collect();
        side.push((4, allow.token.clone().into_bytes()));
        *seq += 1;
        Self {
            seq: *seq,
            json: String::from_utf8(template.record_bytes.clone()).unwrap(),
            side,
            record: uuid(commit.record.id().as_str()),
            pass: uuid(allow.pass.as_str()),
            approval: uuid(allow.approvals[0].id.as_str()),
            commit,
        }
    }

    fn hash(&self) -> Vec<u8> {
        self.commit.action_hash.as_bytes().to_vec()
    }
}

fn uuid(id: &str) -> Uuid {
    id.rsplit('_').next().unwrap().parse().unwrap()
}

pub(crate) struct InSqlite {
    connection: Connection,
    seq: i64,
}

impl InSqlite {
    /// With the settings of the store.
    pub(crate) fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        connection.pragma_update(None, "secure_delete", "on").unwrap();
        Self { connection, seq: 0 }
    }

    fn batch(&mut self, template: &Template, size: usize) -> [(&'static str, usize, Vec<Value>); 4] {
        let mut batch = [
            ("INSERT INTO record (seq, json) VALUES ", 2, Vec::new()),
            ("INSERT INTO side (slot, bytes) VALUES ", 2, Vec::new()),
            (
                "INSERT INTO issued (action, tenant, agent, action_hash, seq, record, ledger_hash, pass, expires, audience)
                 VALUES ",
                10,
                Vec::new(),
            ),
            ("INSERT INTO approval (id, approver, seq) VALUES ", 3, Vec::new()),
        ];
        for _ in 0..size {
            let rows = Rows::next(template, &mut self.seq);
            let (action, allow) = (&rows.commit.action, rows.commit.allow.as_ref().unwrap());
            let id = |id: Uuid| Value::Blob(id.as_bytes().to_vec());
            let hash = || Value::Blob(rows.hash());
            // As the store keeps it: a byte that says which form follows.
            let number = [&[1][..], uuid(action.action.as_str()).as_bytes()].concat();
            batch[0].2.extend([rows.seq.into(), rows.json.clone().into()]);
            for (kind, bytes) in &rows.side {
                let slot = 8 * rows.seq + i64::from(*kind);
                batch[1].2.extend([slot.into(), bytes.clone().into()]);
            }
            batch[2].2.extend([
                number.into(),
                action.tenant.to_string().into(),
                action.agent.to_string().into(),
                hash(),
                rows.seq.into(),
                id(rows.record),
                hash(),
                id(rows.pass),
                i64::try_from(allow.expires_at.get()).unwrap().into(),
                allow.audience.to_string().into(),
            ]);
            let approver = allow.approvals[0].approver.to_string();
            batch[3].2.extend([id(rows.approval), approver.into(), rows.seq.into()]);
        }
        batch
    }
}

impl Bulk for InSqlite {
    fn insert(&mut self, template: &Template, size: usize, batches: usize) -> f64 {
        let prepared: Vec<_> = (0..batches).map(|_| self.batch(template, size)).collect();
        let start = Instant::now();
        for batch in prepared {
            self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            for (sql, columns, values) in batch {
                let row = format!("({})", vec!["?"; columns].join(","));
                let sql = format!("{sql}{}", vec![row; values.len() / columns].join(","));
                let mut insert = self.connection.prepare_cached(&sql).unwrap();
                insert.execute(params_from_iter(values)).unwrap();
            }
            self.connection.execute_batch("COMMIT").unwrap();
        }
        start.elapsed().as_secs_f64() / (size * batches) as f64
    }
}

pub(crate) struct InPostgres {
    runtime: Runtime,
    client: Client,
    statements: Vec<Statement>,
    seq: i64,
}

const INSERTS: [&str; 4] = [
    "INSERT INTO actionpass.record (seq, json) SELECT * FROM unnest($1::bigint[], $2::text[])",
    "INSERT INTO actionpass.side (seq, kind, bytes) SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[])",
    "INSERT INTO actionpass.issued
     (action, tenant, agent, action_hash, is_committed, seq, record, ledger_hash, pass, expires, audience)
     SELECT *  FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::boolean[], $6::bigint[], $7::uuid[],
         $8::bytea[], $9::uuid[], $10::bigint[], $11::text[])",
    "INSERT INTO actionpass.approval (id, approver, seq) SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])",
];

/// The columns of a transaction's rows.
#[derive(Default)]
struct Columns {
    record: (Vec<i64>, Vec<String>),
    side: (Vec<i64>, Vec<i16>, Vec<Vec<u8>>),
    names: [Vec<String>; 4],
    hash: Vec<Vec<u8>>,
    is_committed: Vec<bool>,
    ids: [Vec<Uuid>; 3],
    expires: Vec<i64>,
    approver: Vec<String>,
}

impl InPostgres {
    pub(crate) fn connect(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (client, statements) = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            // Parsed once.
            let statements = try_join_all(INSERTS.map(|sql| client.prepare(sql))).await.unwrap();
            (client, statements)
        });
        Self {
            runtime,
            client,
            statements,
            seq: 0,
        }
    }

    fn batch(&mut self, template: &Template, size: usize) -> Columns {
        let mut columns = Columns::default();
        for _ in 0..size {
            let rows = Rows::next(template, &mut self.seq);
            let (action, allow) = (&rows.commit.action, rows.commit.allow.as_ref().unwrap());
            columns.record.0.push(rows.seq);
            columns.record.1.push(rows.json.clone());
            for (kind, bytes) in &rows.side {
                columns.side.0.push(rows.seq);
                columns.side.1.push(*kind);
                columns.side.2.push(bytes.clone());
            }
            let names = [
                &*action.action.to_string(),
                action.tenant.as_str(),
                action.agent.as_str(),
                allow.audience.as_str(),
            ];
            columns
                .names
                .iter_mut()
                .zip(names)
                .for_each(|(column, name)| column.push(name.to_owned()));
            columns.hash.push(rows.hash());
            columns.is_committed.push(false);
            let ids = [rows.record, rows.pass, rows.approval];
            columns.ids.iter_mut().zip(ids).for_each(|(column, id)| column.push(id));
            columns.expires.push(i64::try_from(allow.expires_at.get()).unwrap());
            columns.approver.push(allow.approvals[0].approver.to_string());
        }
        columns
    }
}

impl Bulk for InPostgres {
    fn insert(&mut self, template: &Template, size: usize, batches: usize) -> f64 {
        let prepared: Vec<_> = (0..batches).map(|_| self.batch(template, size)).collect();
        let (client, statements) = (&self.client, &self.statements);
        let start = Instant::now();
        self.runtime.block_on(async {
            for columns in &prepared {
                transaction(client, statements, columns).await.unwrap();
            }
        });
        start.elapsed().as_secs_f64() / (size * batches) as f64
    }
}

/// One transaction, sent in one go.
async fn transaction(
    client: &Client,
    statements: &[Statement],
    columns: &Columns,
) -> Result<(), tokio_postgres::Error> {
    let [action, tenant, agent, audience] = &columns.names;
    let [record, pass, approval] = &columns.ids;
    let (seqs, hash) = (&columns.record.0, &columns.hash);
    let with: [&[&(dyn ToSql + Sync)]; 4] = [
        &[seqs, &columns.record.1],
        &[&columns.side.0, &columns.side.1, &columns.side.2],
        &[
            action,
            tenant,
            agent,
            hash,
            &columns.is_committed,
            seqs,
            record,
            hash,
            pass,
            &columns.expires,
            audience,
        ],
        &[approval, &columns.approver, seqs],
    ];
    let rows = statements
        .iter()
        .zip(with)
        .map(|(statement, with)| client.execute(statement, with));
    let inserted = async {
        try_join(client.batch_execute("BEGIN"), try_join_all(rows))
            .await
            .map(|_| ())
    };
    try_join(inserted, client.batch_execute("COMMIT")).await.map(|_| ())
}
