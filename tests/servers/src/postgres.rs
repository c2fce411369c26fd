//! PostgreSQL: a cluster in a folder of its own, on a socket there and on a loopback port.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::certificates::certify;
use crate::folder::Folder;
use crate::process::{Process, free_port, until};

/// The superuser of the cluster, who needs no password.
pub const SUPERUSER: &str = "postgres";

/// A server with its data in a folder of its own, so that they survive a restart.
///
/// As root it runs as the user that Debian's package makes: PostgreSQL refuses to run as root.
#[derive(Debug)]
pub struct Postgres {
    // Ends before its folder goes.
    process: Mutex<Option<Process>>,
    folder: Folder,
    port: u16,
    /// The size of the disk of [`start_with_disk`](Self::start_with_disk).
    disk: Option<String>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with these lines in its configuration.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start_with(configuration: &str) -> Self {
        Self::start_in(Folder::new(), configuration, None)
    }

    /// The same with a disk of this size (`16m`), which only the server sees, as the tablespace `small`. It is empty after each
    /// start. Only root may mount one.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start_with_disk(size: &str) -> Self {
        let server = Self::start_in(Folder::new(), "", Some(size.to_owned()));
        let place = server.folder.path().join("disk").display().to_string();
        server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{place}'"));
        server
    }

    /// Whether [`start_with_disk`](Self::start_with_disk) works here.
    #[must_use]
    pub fn may_mount() -> bool {
        let mut mount = Command::new("unshare");
        mount.args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        mount.stderr(Stdio::null());
        is_root() && mount.status().is_ok_and(|status| status.success())
    }

    /// The same, which offers TLS on its port, with a certificate of [`ca_file`](Self::ca_file) for the name `db.test` and
    /// for 127.0.0.1.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start_with_tls() -> Self {
        let folder = Folder::new();
        certify(folder.path(), "db.test");
        let path = folder.path().display();
        let files = format!("ssl_cert_file = '{path}/server.pem'\nssl_key_file = '{path}/server.key'\n");
        Self::start_in(folder, &format!("ssl = on\n{files}"), None)
    }

    fn start_in(folder: Folder, configuration: &str, disk: Option<String>) -> Self {
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("the folder is ours");
        fs::create_dir(folder.path().join("disk")).expect("the folder is ours");
        if is_root() {
            run(Command::new("chown").arg("-R").arg(SUPERUSER).arg(folder.path()));
        }
        let mut make = as_user("initdb");
        make.arg("-D")
            .arg(&data)
            .args(["--username", SUPERUSER, "--auth", "trust"]);
        run(make.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]));
        let server = Self {
            process: Mutex::new(None),
            port: free_port(),
            folder,
            disk,
        };
        let common = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 200\n\
             shared_buffers = 32MB\ndynamic_shared_memory_type = mmap\n",
            server.port,
            server.folder.path().display()
        );
        let path = data.join("postgresql.auto.conf");
        fs::write(path, common + configuration).expect("the folder is ours");
        server.restart();
        server
    }

    /// The folder with its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Its port, on 127.0.0.1 and of its socket.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address of a database, over the socket, as its superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket = self.socket().display().to_string().replace('/', "%2F");
        format!("postgres://{SUPERUSER}@{socket}:{}/{database}", self.port)
    }

    /// The same as another user.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        let (scheme, rest) = (format!("//{SUPERUSER}@"), format!("//{user}@"));
        self.url(database).replacen(&scheme, &rest, 1)
    }

    /// The certificate of the authority that signed the server's own, if it was [started with TLS](Self::start_with_tls).
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Makes an empty database.
    ///
    /// # Panics
    /// If that fails.
    pub fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
    }

    /// Runs a script as the superuser, and gives its rows, a line for each, with `|` between the columns.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, database: &str, script: &str) -> String {
        self.try_sql(database, script)
            .unwrap_or_else(|said| panic!("{script}: {said}"))
    }

    /// The same, or what the server says against it.
    ///
    /// # Errors
    /// What it says.
    pub fn try_sql(&self, database: &str, script: &str) -> Result<String, String> {
        let mut psql = Command::new(program("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-h"]);
        psql.arg(self.socket())
            .args(["-p", &self.port.to_string(), "-d", database, "-c", script]);
        let output = psql.stdin(Stdio::null()).output().expect("psql is there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// Kills it as `kill -9` does, and waits until all of its processes are gone.
    pub fn kill(&self) {
        let mut process = self.lock();
        if process.is_none() {
            return;
        }
        let file = self.data().join("postmaster.pid");
        let lines = fs::read_to_string(file).expect("the server runs");
        let pid = lines.lines().next().expect("its first line is its process").to_owned();
        run(Command::new("kill").args(["-9", &pid]));
        *process = None;
    }

    /// Starts it again, on the same port with the same data, after it was killed.
    ///
    /// # Panics
    /// If it doesn't come up.
    pub fn restart(&self) {
        let mut process = self.lock();
        *process = None;
        // The processes of one that was killed notice by themselves, and until then no other may run.
        until("PostgreSQL", || {
            let mut command = as_user("postgres");
            command.arg("-D").arg(self.data());
            if let Some(size) = &self.disk {
                command = with_disk(size, &self.folder.path().join("disk"), &command);
            }
            *process = Some(Process::start_ended_by("QUIT", &command));
            let mut is_up = false;
            for _ in 0..500 {
                is_up = self.is_ready();
                if is_up || process.as_mut().is_none_or(Process::has_ended) {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            is_up
        });
    }

    fn is_ready(&self) -> bool {
        let mut ready = Command::new(program("pg_isready"));
        ready
            .arg("-q")
            .arg("-h")
            .arg(self.socket())
            .args(["-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where Debian keeps the programs of the newest version.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(name));
    let newest = programs.filter(|program| program.exists()).max();
    newest.unwrap_or_else(|| panic!("`{name}` is missing; `cargo xtask test` installs it"))
}

/// One of its programs, run by a user that isn't root.
fn as_user(name: &str) -> Command {
    if !is_root() {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    let reuid = format!("--reuid={SUPERUSER}");
    let regid = format!("--regid={SUPERUSER}");
    command
        .args([&reuid, &regid, "--clear-groups", "--"])
        .arg(program(name));
    command.current_dir("/");
    command
}

/// The same with a file system in memory on this folder, which is gone when the command ends.
fn with_disk(size: &str, folder: &Path, command: &Command) -> Command {
    let mount = format!("mount -t tmpfs -o size={size},uid={SUPERUSER},mode=700 tmpfs \"$0\" && exec \"$@\"");
    let mut inside = Command::new("unshare");
    inside.args(["-m", "sh", "-c", &mount]).arg(folder);
    inside.arg(command.get_program()).args(command.get_args());
    inside.current_dir("/");
    inside
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", command.get_program().display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_survives_a_kill() {
        let server = Postgres::start();
        server.create_database("one");
        server.sql("one", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)");
        server.kill();
        assert!(!server.is_ready());
        server.restart();
        assert_eq!(server.sql("one", "SELECT n FROM t"), "7");
    }
}
