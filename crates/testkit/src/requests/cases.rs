//! The cases: which driver does what, how often, and what has to be installed.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use crate::profile::programs::{self, tool};
use crate::workload::Scratch;

/// One thing that real clients do to real servers.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it belongs to.
    pub group: Group,
    /// The driver's file, without its ending.
    driver: &'static str,
    /// What the driver does.
    does: &'static str,
    /// How many calls, about.
    pub calls: u64,
    /// How many of them in a second; 0 is as many as go.
    pub rate: u64,
    /// Whether the servers run and connections are open before anything is watched.
    pub late: bool,
    /// Whether calls are made before those that count, until TLS is read.
    pub warms: bool,
    /// Programs that have to be there.
    programs: &'static [&'static str],
    /// Modules that Python has to have.
    modules: &'static [&'static str],
    /// A program of ours that is built for it.
    built: Option<&'static str>,
}

/// What cases belong to; each is a test of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// HTTP/1 over plain TCP.
    Http,
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// DNS.
    Dns,
    /// A hundred requests at once on one connection: HTTP/2 and gRPC.
    Interleaved,
    /// memcached, MariaDB, RabbitMQ, NATS, Kafka, MongoDB, Cassandra.
    Others,
    /// Servers that ran and connections that were open before.
    Late,
    /// HTTPS of programs in Go.
    Go,
    /// All together.
    Shop,
    /// As fast as it goes: rows may be lost, and counted. In no test.
    Saturated,
}

/// A case that can be run.
#[derive(Debug)]
pub struct Ready {
    /// The case.
    pub case: Case,
    /// What to run.
    pub command: Vec<String>,
    /// Where it may write.
    pub home: Scratch,
}

macro_rules! drivers {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("drivers/", $name)))),*]
    };
}

const DRIVERS: &[(&str, &str)] = drivers![
    "amqp_calls.py",
    "calls.py",
    "cassandra_calls.py",
    "cassandra_server.py",
    "dns_calls.py",
    "go_calls.py",
    "grpc_calls.py",
    "http2_calls.py",
    "http_calls.py",
    "kafka_calls.py",
    "memcached_calls.py",
    "mongodb_calls.py",
    "mysql_calls.py",
    "nats_calls.py",
    "postgres_calls.py",
    "redis_calls.py",
    "shop_calls.py",
    "shop_parts.py",
];

/// Every case, in the size of a test of a few seconds.
pub fn all() -> Vec<Case> {
    use Group::{Dns, Go, Http, Interleaved, Late, Others, Postgres, Redis, Saturated, Shop};
    const RABBITMQ: &[&str] = &["rabbitmq-server", "erl", "epmd"];
    const MARIADB: &[&str] = &["mariadbd", "mariadb-install-db"];
    const NGINX: &[&str] = &["nginx"];
    const REDIS: &[&str] = &["redis-server", "redis-benchmark", "redis-cli"];
    const POSTGRES: &[&str] = &["postgres", "initdb", "pgbench"];
    let http =
        |does, calls, rate, programs| Case::new(Http, "http", does, calls, rate, programs, &[]);
    let redis = |does, calls, rate| Case::new(Redis, "redis", does, calls, rate, REDIS, &[]);
    let postgres =
        |does, calls, modules| Case::new(Postgres, "postgres", does, calls, 0, POSTGRES, modules);
    let dns = |does, calls, programs| Case::new(Dns, "dns", does, calls, 500, programs, &[]);
    let go = |does, calls, rate| Case {
        warms: true,
        built: Some("go-https"),
        ..Case::new(Go, "go", does, calls, rate, &[], &[])
    };
    let late =
        |case: Case| Case { name: format!("{}-late", case.name), group: Late, late: true, ..case };
    vec![
        http("keep-alive", 1000, 1000, NGINX),
        http("new-connections", 200, 200, NGINX),
        http("pipeline", 800, 100, NGINX),
        http("bodies", 40, 0, NGINX),
        http("proxied", 200, 200, NGINX),
        http("ragged", 200, 200, &[]),
        http("hundred", 1000, 0, NGINX),
        http("standard-library", 100, 100, &[]),
        http("node", 400, 0, &["node"]),
        http("curl", 300, 0, &["nginx", "curl"]),
        redis("one-by-one", 1000, 1000),
        redis("pipeline", 3200, 100),
        redis("bodies", 20, 0),
        redis("ragged", 200, 200),
        redis("hundred", 2000, 0),
        redis("benchmark", 20_000, 0),
        Case { group: Saturated, ..redis("benchmark-pipeline", 50_000, 0) },
        postgres("psycopg", 400, &["psycopg"]),
        postgres("pipeline", 480, &["psycopg"]),
        postgres("asyncpg", 300, &["asyncpg"]),
        postgres("bodies", 10, &["psycopg"]),
        postgres("psql", 60, &[]),
        postgres("pgbench-simple", 1000, &[]),
        postgres("pgbench-extended", 1000, &[]),
        postgres("pgbench-prepared", 1000, &[]),
        dns("plain", 1000, &[]),
        dns("dnsmasq", 1000, &["dnsmasq"]),
        dns("dig", 20, &["dnsmasq", "dig"]),
        Case::new(Interleaved, "http2", "hundred-streams", 4000, 0, &["nghttpd", "h2load"], &[]),
        Case::new(Interleaved, "http2", "large-bodies", 1000, 0, &["nghttpd", "h2load"], &[]),
        Case::new(Interleaved, "grpc", "hundred-streams", 2000, 0, &[], &["grpc"]),
        Case::new(Interleaved, "grpc", "large-answers", 1000, 0, &[], &["grpc"]),
        Case::new(Others, "memcached", "one-by-one", 600, 1000, &["memcached"], &[]),
        Case::new(Others, "mysql", "statements", 300, 300, MARIADB, &["pymysql"]),
        Case::new(Others, "amqp", "messages", 400, 400, RABBITMQ, &["pika"]),
        Case::new(Others, "nats", "messages", 300, 500, &["nats-server"], &[]),
        Case::new(Others, "kafka", "messages", 500, 500, &[], &["confluent_kafka"]),
        Case::new(Others, "mongodb", "commands", 300, 300, &[], &["nx_27017.nx_27017", "pymongo"]),
        Case::new(Others, "cassandra", "version-4", 500, 500, &[], &["cassandra.cluster"]),
        Case::new(Others, "cassandra", "version-5", 500, 500, &[], &["cassandra.cluster"]),
        go("http1", 1000, 0),
        go("http2", 1000, 0),
        go("python", 200, 200),
        late(http("keep-alive", 1000, 500, NGINX)),
        late(http("pipeline", 800, 50, NGINX)),
        late(redis("one-by-one", 1000, 500)),
        late(redis("pipeline", 1600, 50)),
        Case { group: Go, ..late(go("http1", 500, 0)) },
        Case { group: Go, ..late(go("http2", 500, 0)) },
        late(postgres("psycopg", 200, &["psycopg"])),
        late(postgres("asyncpg", 200, &["asyncpg"])),
        Case {
            warms: true,
            ..Case::new(
                Shop,
                "shop",
                "sells",
                60,
                20,
                &["nginx", "redis-server", "postgres", "initdb", "openssl"],
                &["psycopg", "redis", "grpc"],
            )
        },
    ]
}

/// The cases of one group.
pub fn of(group: Group) -> Vec<Case> {
    all().into_iter().filter(|case| case.group == group).collect()
}

impl Case {
    fn new(
        group: Group,
        driver: &'static str,
        does: &'static str,
        calls: u64,
        rate: u64,
        programs: &'static [&'static str],
        modules: &'static [&'static str],
    ) -> Case {
        let name = format!("{driver}-{does}");
        Case {
            name,
            group,
            driver,
            does,
            calls,
            rate,
            late: false,
            warms: false,
            programs,
            modules,
            built: None,
        }
    }

    /// The same with so many calls, so many of them in a second.
    pub fn sized(self, calls: u64, rate: u64) -> Case {
        Case { calls, rate, ..self }
    }

    /// Puts everything in place; an error says why it cannot be run here.
    pub fn prepare(&self) -> Result<Ready> {
        for program in self.programs {
            tool(program)?;
        }
        let built = self.built.map(|name| programs::find(name).context("no such program")?.build());
        let built = built.transpose()?.map(|it| it.file.display().to_string());
        let python = python()?;
        for module in self.modules {
            let mut import = Command::new(&python);
            let found = import.args(["-c", &format!("import {module}")]).output()?;
            ensure!(found.status.success(), "{} has no module {module}", python.display());
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home = Scratch::new(&format!("calls-{}-{number}", self.name))?;
        for (name, text) in DRIVERS {
            fs::write(home.path().join(name), text)?;
        }
        let path = |name: &str| home.path().join(name).display().to_string();
        let words = [
            python.display().to_string(),
            path(&format!("{}_calls.py", self.driver)),
            self.does.to_string(),
            home.path().display().to_string(),
            self.calls.to_string(),
            self.rate.to_string(),
            "1".to_string(),
        ];
        let command = words.into_iter().chain(built).collect();
        Ok(Ready { case: self.clone(), command, home })
    }
}

/// The interpreter: the one that has what drivers need, or any.
fn python() -> Result<PathBuf> {
    let named = env::var_os("FATHOM_PYTHON").map(PathBuf::from);
    named.map_or_else(|| tool("python3"), Ok).context("no Python")
}
