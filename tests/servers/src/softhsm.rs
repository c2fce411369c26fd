//! SoftHSM2, a PKCS#11 module.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Folder;

/// Tokens of SoftHSM2 in a folder of their own, and a module that leads there.
///
/// A module runs inside of the process that uses it, so there is no server to kill: the token can be pulled instead, and
/// put back. One process uses one of these, made before its module is loaded: SoftHSM reads its tokens once.
#[derive(Debug)]
pub struct SoftHsm {
    folder: Folder,
}

/// The PIN of every token. It is nothing that stands in an error by chance.
pub const PIN: &str = "27182818";

/// What the module does; the numbers are those of `softhsm.c`.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Works = 0,
    Pulled = 1,
    Hangs = 2,
    SessionsEnd = 3,
    ShortAnswer = 4,
    PinChanges = 5,
}

/// Where Debian and others put the module.
const MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

impl SoftHsm {
    /// Makes a token for each label, with [`PIN`] and nothing on it. Labels may be alike.
    ///
    /// # Panics
    /// If SoftHSM or a C compiler is missing.
    #[must_use]
    pub fn start(labels: &[&str]) -> Self {
        let hsm = Self { folder: Folder::new() };
        let at = |name: &str| hsm.folder.path().join(name);
        fs::create_dir(at("tokens")).expect("the folder is new");
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            at("tokens").display()
        );
        fs::write(hsm.settings(), settings).expect("the folder is writable");
        fs::write(at("switch"), [0; 16]).expect("the folder is writable");
        for label in labels {
            hsm.tool(
                "softhsm2-util",
                &[
                    "--init-token",
                    "--free",
                    "--label",
                    label,
                    "--so-pin",
                    PIN,
                    "--pin",
                    PIN,
                ],
            );
        }
        hsm.compile();
        hsm
    }

    /// The module to load. It needs no environment.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        self.folder.path().join("module.so")
    }

    /// SoftHSM's own module. It reads [`settings`](Self::settings) from the variable `SOFTHSM2_CONF`.
    ///
    /// # Panics
    /// If SoftHSM is missing.
    #[must_use]
    pub fn own_module() -> &'static Path {
        let found = MODULES.iter().map(Path::new).find(|path| path.exists());
        found.expect("`libsofthsm2.so` is missing; `cargo xtask test` installs it")
    }

    /// The value of `SOFTHSM2_CONF`.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// A new file that holds the PIN, or whatever else is given, and that only its owner can read.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn pin_file(&self, name: &str, pin: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("{pin}\n")).expect("the folder is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        path
    }

    /// Runs OpenSC's `pkcs11-tool`, logged in at the token of this label.
    ///
    /// # Panics
    /// If it is missing or fails.
    pub fn pkcs11_tool(&self, token: &str, arguments: &[&str]) -> String {
        let module = Self::own_module().to_str().expect("it is one of the paths above");
        let login = ["--module", module, "--token-label", token, "--login", "--pin", PIN];
        self.tool("pkcs11-tool", &[&login, arguments].concat())
    }

    /// The tokens with their labels and serial numbers, as OpenSC's `pkcs11-tool` lists them.
    ///
    /// # Panics
    /// If it is missing or fails.
    #[must_use]
    pub fn list_slots(&self) -> String {
        let module = Self::own_module().to_str().expect("it is one of the paths above");
        self.tool("pkcs11-tool", &["--module", module, "--list-slots"])
    }

    /// Makes a key pair with `pkcs11-tool`: `curve` is `EC:prime256v1` and the like, `id` hexadecimal.
    pub fn make_key(&self, token: &str, curve: &str, label: &str, id: &str) {
        self.pkcs11_tool(
            token,
            &["--keypairgen", "--key-type", curve, "--label", label, "--id", id],
        );
    }

    /// Pulls the tokens: every session ends, and there is none to be had.
    pub fn kill(&self) {
        self.set(Mood::Pulled);
    }

    /// Puts the tokens back, and ends every other misbehaviour.
    pub fn restart(&self) {
        self.set(Mood::Works);
    }

    /// From now on the module answers no call.
    pub fn hang(&self) {
        self.set(Mood::Hangs);
    }

    /// Ends every session and login, as another part of the program may.
    pub fn end_sessions(&self) {
        self.set(Mood::SessionsEnd);
    }

    /// From now on signatures lack their last byte.
    pub fn answer_short(&self) {
        self.set(Mood::ShortAnswer);
    }

    /// Ends every session and login; from now on the PIN is another one, which nobody knows.
    pub fn change_pin(&self) {
        self.set(Mood::PinChanges);
    }

    /// How often C_Login was called.
    #[must_use]
    pub fn logins(&self) -> u32 {
        self.number(1)
    }

    /// How many signatures were made, and how many bytes the last was made over.
    #[must_use]
    pub fn signatures(&self) -> (u32, u32) {
        (self.number(2), self.number(3))
    }

    fn set(&self, mood: Mood) {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(self.folder.path().join("switch"));
        let file = file.expect("it was written at the start");
        file.write_all_at(&(mood as u32).to_ne_bytes(), 0)
            .expect("it is writable");
    }

    fn number(&self, index: usize) -> u32 {
        let words = fs::read(self.folder.path().join("switch")).expect("it was written at the start");
        let word = words.chunks_exact(4).nth(index).and_then(|word| word.try_into().ok());
        u32::from_ne_bytes(word.expect("it has four words"))
    }

    fn compile(&self) {
        let path = |name: &str, path: &Path| format!("-D{name}=\"{}\"", path.display());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/softhsm.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(self.module())
            .arg(path("SETTINGS", &self.settings()))
            .arg(path("MODULE", Self::own_module()))
            .arg(path("SWITCH", &self.folder.path().join("switch")))
            .arg(source)
            .arg("-ldl")
            .output()
            .expect("`cc` is missing; a C compiler is needed for the build, too");
        assert!(
            compiled.status.success(),
            "{}",
            String::from_utf8_lossy(&compiled.stderr)
        );
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .env("SOFTHSM2_CONF", self.settings())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|_| panic!("`{program}` is missing; `cargo xtask test` installs it"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said.into_owned()
    }
}
