//! The real servers that tests of requests start and stop: nginx, Redis, PostgreSQL, MariaDB, RabbitMQ,
//! memcached, NATS.
//!
//! To install them would start them, now and whenever the machine boots. So what the machine lacks is
//! unpacked into a folder and known to nobody; programs that start nothing by themselves (curl, dig,
//! dnsmasq) are installed like everything else. What cannot be had is said by name, and the tests that
//! need it do not run.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::AptRoot;
use crate::failure::{Context, Failure, Result};
use crate::place::{self, lock};
use crate::run::{self, say};
use crate::setup::{self, Scope};

/// The programs, each with Debian's package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("redis-server", "redis-server"),
    ("redis-benchmark", "redis-server"),
    ("redis-cli", "redis-server"),
    ("postgres", "postgresql"),
    ("initdb", "postgresql"),
    ("pgbench", "postgresql"),
    ("psql", "postgresql"),
    ("mariadbd", "mariadb-server-core"),
    ("mariadb-install-db", "mariadb-server-core"),
    ("my_print_defaults", "mariadb-client-core"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("erl", "erlang-base"),
    ("epmd", "erlang-base"),
    ("memcached", "memcached"),
    ("nats-server", "nats-server"),
    ("nghttpd", "nghttp2-server"),
    ("h2load", "nghttp2-client"),
];

/// What of the packages that those depend on is unpacked with them, by the beginnings of names.
const WANTED: &[&str] = &[
    "nginx",
    "redis",
    "postgresql",
    "mariadb",
    "rabbitmq",
    "erlang",
    "memcached",
    "nats",
    "nghttp2",
    "lib",
];
/// Large, and for what nobody asks for here: PostgreSQL's compiler, and Perl.
const UNWANTED: &[&str] = &["libllvm", "libz3", "libperl"];

/// A folder that has the programs, for the PATH.
pub(crate) struct Servers(PathBuf);

/// Finds them; unpacks what this machine does not have.
pub(crate) fn ensure() -> Result<Servers> {
    setup::ensure(Scope { requests: true, ..Scope::default() })?;
    let home = folder()?;
    fs::create_dir_all(&home).context(|| home.display().to_string())?;
    let _lock = lock(&home)?;
    let (unpacked, programs) = (home.join("unpacked"), home.join("bin"));
    // A PATH may have us on it.
    let on_machine = |name| on_machine(name).filter(|it| !it.starts_with(&home));
    let lacking: Vec<_> = PROGRAMS.iter().filter(|it| on_machine(it.0).is_none()).collect();
    if lacking.iter().any(|it| within(&unpacked, it.0).is_none()) {
        let mut packages: Vec<String> = lacking.iter().map(|it| it.1.to_string()).collect();
        packages.dedup();
        unpack(&home, &unpacked, &packages)?;
    }
    let _ = fs::remove_dir_all(&programs);
    fs::create_dir_all(&programs).context(|| programs.display().to_string())?;
    for (name, package) in PROGRAMS {
        let place = programs.join(name);
        let done = match (on_machine(name), within(&unpacked, name)) {
            (Some(program), _) => symlink(program, &place),
            (None, Some(program)) => wrap(&unpacked, name, &program, &place),
            (None, None) => {
                say(format!("{name} is not to be had ({package}): tests that need it do not run"));
                continue;
            }
        };
        done.context(|| place.display().to_string())?;
    }
    Ok(Servers(programs))
}

impl Servers {
    /// The PATH on which they come first.
    pub(crate) fn path(&self) -> Result<OsString> {
        let usual = env::var_os("PATH").unwrap_or_default();
        let folders = [self.0.clone()].into_iter().chain(env::split_paths(&usual));
        // Where curl, dig and dnsmasq are, a user's PATH may not look.
        let all = folders.chain(["/usr/sbin".into(), "/sbin".into()]);
        env::join_paths(all).map_err(|error| Failure::new(error.to_string()))
    }

    /// `env` with what a workload has to know that is started by another program, perhaps as root.
    pub(crate) fn environment(&self, python: &Path) -> Result<Vec<OsString>> {
        let pair = |name: &str, value: OsString| {
            let mut pair = OsString::from(format!("{name}="));
            pair.push(value);
            pair
        };
        let python = pair(crate::python::VARIABLE, python.into());
        Ok(vec!["env".into(), pair("PATH", self.path()?), python])
    }
}

/// Where they are kept. PostgreSQL refuses to run as root, and other users do not get into root's home.
fn folder() -> Result<PathBuf> {
    let base = if setup::is_root() { "/var/cache/fathom".into() } else { place::cache()? };
    Ok(base.join("servers"))
}

fn on_machine(name: &str) -> Option<PathBuf> {
    let root = Path::new("/");
    rabbit(root, name).or_else(|| postgres(root, name)).or_else(|| run::find(name))
}

/// The program where packages were unpacked.
fn within(unpacked: &Path, name: &str) -> Option<PathBuf> {
    let usual = ["usr/sbin", "usr/bin"].map(|folder| unpacked.join(folder).join(name));
    let apart = rabbit(unpacked, name).or_else(|| postgres(unpacked, name));
    apart.or_else(|| usual.into_iter().find(|file| file.is_file()))
}

/// What is on Debian's PATH by that name becomes another user first, who may not have our files.
fn rabbit(root: &Path, name: &str) -> Option<PathBuf> {
    let program = root.join("usr/lib/rabbitmq/bin/rabbitmq-server");
    if name == "rabbitmq-server" { fs::canonicalize(program).ok() } else { None }
}

/// Debian keeps PostgreSQL's programs by version, where no PATH looks.
fn postgres(root: &Path, name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("usr/lib/postgresql")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin").join(name));
    programs.filter(|file| file.is_file()).max()
}

/// Unpacks, as the folder `unpacked`, the packages and those of their libraries that this machine lacks.
fn unpack(home: &Path, unpacked: &Path, packages: &[String]) -> Result<()> {
    if !setup::has_apt() {
        let names = packages.join(", ");
        return Err(Failure::new(format!("there is no apt here to have {names} from")));
    }
    say(format!("unpacking {} for the tests, not installed", packages.join(", ")));
    let apt = AptRoot::of_this_machine(&home.join("apt"))?;
    let mut files = match apt.closure(packages) {
        Ok(files) => files,
        // One that Debian lacks must not keep the others away.
        Err(_) => packages
            .iter()
            .filter_map(|it| apt.closure(std::slice::from_ref(it)).ok())
            .flatten()
            .collect(),
    };
    files.sort();
    files.dedup();
    let here = installed()?;
    files.retain(|file| is_wanted(file) && !here.contains(name(file)));
    // What is kept is never half of it.
    let fresh = home.join("unpacked.new");
    let _ = fs::remove_dir_all(&fresh);
    apt.unpack(&files, |_| fresh.clone())?;
    let _ = fs::remove_dir_all(unpacked);
    fs::rename(&fresh, unpacked).context(|| unpacked.display().to_string())?;
    let lists = home.join("apt");
    fs::remove_dir_all(&lists).context(|| lists.display().to_string())
}

/// The names of the packages that this machine has.
fn installed() -> Result<BTreeSet<String>> {
    let format = "-f=${Package} ${db:Status-Status}\\n";
    let listed = run::output(Command::new("dpkg-query").args(["-W", format]))?;
    let names = listed.lines().filter_map(|line| line.strip_suffix(" installed"));
    Ok(names.map(str::to_string).collect())
}

/// The package's name in NAME_VERSION_ARCH.deb.
fn name(file: &str) -> &str {
    file.split('_').next().unwrap_or(file)
}

fn is_wanted(file: &str) -> bool {
    let begins = |names: &[&str]| names.iter().any(|name| file.starts_with(name));
    begins(WANTED) && !begins(UNWANTED)
}

/// Writes `place`, which runs `program` with the libraries that were unpacked with it, and tells those
/// that believe to be in /usr where they are.
fn wrap(unpacked: &Path, name: &str, program: &Path, place: &Path) -> std::io::Result<()> {
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
    let libraries = libraries.map(|folder| unpacked.join(folder).display().to_string()).join(":");
    let usr = unpacked.join("usr").display().to_string();
    let mut told = format!("export LD_LIBRARY_PATH='{libraries}'\n");
    let (mut program, mut words) = (program.display().to_string(), String::new());
    match name {
        "mariadb-install-db" => words = format!("--basedir='{usr}'"),
        "mariadbd" => words = format!("--basedir='{usr}' --lc-messages-dir='{usr}/share/mysql'"),
        "rabbitmq-server" => {
            let programs = place.parent().unwrap_or(Path::new("")).display();
            told += &format!("export ERL_DIR='{programs}/'\n");
        }
        "erl" => {
            // What runs it lies with epmd, in a folder that has its version in its name.
            let epmd = fs::canonicalize(unpacked.join("usr/bin/epmd"))?;
            let folder = epmd.parent().unwrap_or(Path::new("")).display();
            told += &format!(
                "export ROOTDIR='{usr}/lib/erlang' BINDIR='{folder}' EMU=beam PROGNAME=erl\n"
            );
            program = format!("{folder}/erlexec");
        }
        _ => {}
    }
    fs::write(place, format!("#!/bin/sh\n{told}exec '{program}' \"$@\" {words}\n"))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_with_the_servers_and_perl_does_not() {
        let wanted = |file| is_wanted(file);
        assert!(wanted("nginx_1.22.1-9_amd64.deb") && wanted("libpq5_15.18_amd64.deb"));
        assert!(!wanted("libllvm14_1%3a14.0.6-12_amd64.deb") && !wanted("perl_5.36_amd64.deb"));
    }

    #[test]
    fn the_newest_postgresql_is_found_where_it_was_unpacked() {
        let root = env::temp_dir().join(format!("xtask-servers-{}", std::process::id()));
        for version in ["13", "15"] {
            let folder = root.join("usr/lib/postgresql").join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("initdb"), "").unwrap();
        }
        let found = within(&root, "initdb").unwrap();
        assert!(found.ends_with("usr/lib/postgresql/15/bin/initdb"));
        assert_eq!(within(&root, "nginx"), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
