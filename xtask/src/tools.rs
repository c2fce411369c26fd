//! What the tests need beside Rust and a C compiler, and how it gets onto a machine.
//!
//! Programs come from Debian's packages; Python and npm packages go below `target/deps`, pinned by
//! `tests/interop/requirements.txt` and `tests/interop/package.json`, those for MCP below `tests/interop/mcp`. Nothing
//! else on the machine changes. Tests find what was installed through the environment:
//!
//! - `ACTIONPASS_PYTHON`: the Python interpreter that has the pinned packages;
//! - `ACTIONPASS_NODE_DEPS`: the folder that holds `node_modules` (a script placed in it can import the packages);
//! - `ACTIONPASS_MCP_DEPS`, `ACTIONPASS_MCP_PYTHON`: the same for clients and servers of MCP.
//!
//! What can't be installed is reported as not run, with the reason; it never stops the other tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Result, root, run};

/// A program that tests start.
struct Tool {
    name: &'static str,
    /// Commands that succeed where the tool is present.
    detect: &'static [&'static [&'static str]],
    /// The Debian packages that provide it.
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "node",
        detect: &[&["node", "--version"]],
        packages: &["nodejs"],
    },
    Tool {
        name: "npm",
        detect: &[&["npm", "--version"]],
        packages: &["npm"],
    },
    Tool {
        name: "go",
        detect: &[&["go", "version"]],
        packages: &["golang-go"],
    },
    Tool {
        name: "jdk",
        detect: &[&["javac", "-version"], &["java", "-version"]],
        packages: &["default-jdk-headless"],
    },
    Tool {
        name: "openssl",
        detect: &[&["openssl", "version"]],
        packages: &["openssl"],
    },
    Tool {
        name: "python",
        detect: &[&["python3", "-c", "import ensurepip, pip, venv"]],
        packages: &["python3", "python3-pip", "python3-venv"],
    },
    Tool {
        name: "softhsm",
        // pkcs11-tool says that it worked to nobody who only asks for its help.
        detect: &[&["sh", "-c", "command -v softhsm2-util && command -v pkcs11-tool"]],
        packages: &["softhsm2", "opensc"],
    },
    Tool {
        name: "tpm",
        detect: &[
            &["swtpm", "--version"],
            &["pkg-config", "--exists", "tss2-esys", "tss2-mu", "tss2-tctildr"],
        ],
        packages: &["swtpm", "libtss2-dev", "libtss2-tcti-swtpm0", "pkg-config"],
    },
    Tool {
        // Passkeys are made and used in it.
        name: "chromium",
        detect: &[&["chromium", "--version"]],
        packages: &["chromium"],
    },
    Tool {
        // Its package makes the user that the tests run it as.
        name: "postgresql",
        detect: &[&["sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres"]],
        packages: &["postgresql"],
    },
    Tool {
        // The how-to on operating makes a backup with it.
        name: "sqlite3",
        detect: &[&["sqlite3", "--version"]],
        packages: &["sqlite3"],
    },
    Tool {
        // The how-to on the service asks it so; 7.82 was the first with `--json`.
        name: "curl",
        detect: &[&["curl", "--version"]],
        packages: &["curl"],
    },
    Tool {
        // Shows the service other times.
        name: "libfaketime",
        detect: &[&["sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"]],
        packages: &["libfaketime"],
    },
    Tool {
        // The service is asked through it, as the how-to sets it up.
        name: "nginx",
        detect: &[&["nginx", "-v"]],
        packages: &["nginx"],
    },
    Tool {
        name: "strace",
        detect: &[&["strace", "--version"]],
        packages: &["strace"],
    },
    Tool {
        // Draws what hostile texts would draw on a terminal.
        name: "tmux",
        detect: &[&["tmux", "-V"]],
        packages: &["tmux"],
    },
    Tool {
        name: "ssh-agent",
        detect: &[&[
            "sh",
            "-c",
            "command -v ssh-agent && command -v ssh-add && command -v ssh-keygen",
        ]],
        packages: &["openssh-client"],
    },
];

/// Packages of another language, in a folder of their own.
struct Kit {
    name: &'static str,
    /// What is wanted, from the project's root. Where the first is missing, nothing is wanted.
    manifests: &'static [&'static str],
    /// Where it goes, from the project's root.
    folder: &'static str,
    install: fn(manifest: &Path, folder: &Path) -> Result,
    /// The variable that leads tests there, and what it names inside of the folder.
    variable: (&'static str, &'static str),
}

const KITS: &[Kit] = &[
    Kit {
        name: "python packages",
        manifests: &["tests/interop/requirements.txt"],
        folder: "target/deps/venv",
        install: install_python,
        variable: ("ACTIONPASS_PYTHON", "bin/python"),
    },
    Kit {
        name: "MCP packages of npm",
        manifests: &["tests/interop/mcp/package.json", "tests/interop/mcp/package-lock.json"],
        folder: "target/deps/mcp",
        install: install_npm,
        variable: ("ACTIONPASS_MCP_DEPS", ""),
    },
    Kit {
        name: "MCP servers of PyPI",
        manifests: &["tests/interop/mcp/requirements.txt"],
        folder: "target/deps/mcp-venv",
        install: install_python,
        variable: ("ACTIONPASS_MCP_PYTHON", "bin/python"),
    },
    Kit {
        name: "npm packages",
        manifests: &["tests/interop/package.json", "tests/interop/package-lock.json"],
        folder: "target/deps/node",
        install: install_npm,
        variable: ("ACTIONPASS_NODE_DEPS", ""),
    },
];

/// What the tests of the npm package import, and the compiler of TypeScript.
const NODE_PACKAGE: Kit = Kit {
    name: "npm packages beside the package for Node",
    manifests: &[
        "bindings/node/test/package.json",
        "bindings/node/test/package-lock.json",
    ],
    folder: "target/deps/node-package",
    install: install_npm,
    variable: ("ACTIONPASS_NODE_PACKAGE_DEPS", ""),
};

/// Finds or installs what `cargo xtask bindings node` needs, and says where it is.
pub(crate) fn of_node_package() -> Result<PathBuf> {
    let provided = NODE_PACKAGE.provide(root()?)?;
    let (_, folder) = provided.ok_or("the manifest of the package's tests is missing")?;
    Ok(folder)
}

/// What builds and tests the Python package.
const PYTHON_PACKAGE: Kit = Kit {
    name: "python packages beside the package for Python",
    manifests: &["bindings/python/test/requirements.txt"],
    folder: "target/deps/python-package",
    install: install_python,
    variable: ("ACTIONPASS_PYTHON_PACKAGE_DEPS", "bin/python"),
};

/// Bodies of real webhooks, which only npm has.
const WEBHOOKS: Kit = Kit {
    name: "bodies of webhooks beside the package for Python",
    manifests: &[
        "bindings/python/test/package.json",
        "bindings/python/test/package-lock.json",
    ],
    folder: "target/deps/webhooks",
    install: install_npm,
    variable: (
        "ACTIONPASS_WEBHOOKS",
        "node_modules/@octokit/webhooks-examples/api.github.com/index.json",
    ),
};

/// What builds and tests the package for Python.
#[derive(Debug)]
pub(crate) struct PythonKit {
    /// The interpreter that has the pinned packages.
    pub(crate) python: PathBuf,
    /// A JSON file of webhooks.
    pub(crate) webhooks: PathBuf,
}

/// Finds or installs what `cargo xtask bindings python` needs.
pub(crate) fn of_python_package() -> Result<PythonKit> {
    let root = root()?;
    let missing = "the requirements of the package's tests are missing";
    let (_, python) = PYTHON_PACKAGE.provide(root)?.ok_or(missing)?;
    let (_, webhooks) = WEBHOOKS.provide(root)?.ok_or(missing)?;
    Ok(PythonKit { python, webhooks })
}

/// What the service is measured beside: no test needs it.
const LOAD: Kit = Kit {
    name: "npm packages to measure beside",
    manifests: &["benches/service/package.json", "benches/service/package-lock.json"],
    folder: "target/deps/load",
    install: install_npm,
    variable: ("ACTIONPASS_LOAD_DEPS", ""),
};

/// Finds or installs what `cargo xtask load` measures beside, and the variable that leads there.
pub(crate) fn of_load() -> Result<(&'static str, PathBuf)> {
    LOAD.provide(root()?)?
        .ok_or_else(|| "the manifest of what is measured beside is missing".into())
}

/// Finds or installs the database that `cargo xtask bench scale` starts.
pub(crate) fn of_scale() -> Result {
    let needed = TOOLS.iter().filter(|tool| tool.name == "postgresql");
    needed.filter(|tool| !tool.is_present()).try_for_each(|tool| {
        Lists::Stale.refresh()?;
        tool.install()
    })
}

/// Written last into a kit's folder: the manifests that it was installed from.
const STAMP: &str = ".installed";

/// What [`provide`] found or installed.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    /// Variables for the tests.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    /// What there is not: the name and, in brackets, the reason.
    pub(crate) missing: Vec<String>,
}

/// Finds or installs everything; quick where all of it is present.
pub(crate) fn provide() -> Result<Provided> {
    let root = root()?;
    let mut provided = Provided::default();
    let mut lists = Lists::Stale;
    for tool in TOOLS.iter().filter(|tool| !tool.is_present()) {
        println!("installing {}: {}", tool.name, tool.packages.join(" "));
        let installed = lists.refresh().and_then(|()| tool.install());
        if let Err(error) = installed {
            provided.missing.push(format!("{} ({error})", tool.name));
        }
    }
    for kit in KITS {
        match kit.provide(root) {
            Ok(Some(variable)) => provided.environment.push(variable),
            Ok(None) => {}
            Err(error) => provided.missing.push(format!("{} ({error})", kit.name)),
        }
    }
    Ok(provided)
}

/// Debian's lists of packages, brought up to date once, and only if something is missing.
#[derive(Clone, Copy, PartialEq)]
enum Lists {
    Stale,
    Fresh,
}

impl Lists {
    fn refresh(&mut self) -> Result {
        if *self == Self::Stale {
            run(&mut apt(&["update"]))?;
            *self = Self::Fresh;
        }
        Ok(())
    }
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

impl Tool {
    fn is_present(&self) -> bool {
        self.detect.iter().all(|command| succeeds(command))
    }

    fn install(&self) -> Result {
        run(apt(&["install", "--yes", "--no-install-recommends"]).args(self.packages))?;
        if self.is_present() {
            Ok(())
        } else {
            Err("installed, but it does not run".into())
        }
    }
}

fn succeeds(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Kit {
    fn provide(&self, root: &Path) -> Result<Option<(&'static str, PathBuf)>> {
        let Some(manifest) = self
            .manifests
            .first()
            .map(|name| root.join(name))
            .filter(|path| path.exists())
        else {
            return Ok(None);
        };
        let mut wanted = Vec::new();
        for path in self
            .manifests
            .iter()
            .map(|name| root.join(name))
            .filter(|path| path.exists())
        {
            wanted.extend(fs::read(path)?);
        }
        let folder = root.join(self.folder);
        let (variable, inside) = self.variable;
        let leads_to = folder.join(inside);
        let stamp = folder.join(STAMP);
        if fs::read(&stamp).is_ok_and(|installed| installed == wanted) && leads_to.exists() {
            return Ok(Some((variable, leads_to)));
        }
        println!("installing {} into {}", self.name, self.folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        (self.install)(&manifest, &folder)?;
        fs::write(&stamp, &wanted)?;
        Ok(Some((variable, leads_to)))
    }
}

fn install_python(requirements: &Path, folder: &Path) -> Result {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(requirements);
    run(&mut pip)
}

fn install_npm(package: &Path, folder: &Path) -> Result {
    fs::copy(package, folder.join("package.json"))?;
    let lock = package.with_file_name("package-lock.json");
    let verb = if lock.exists() {
        fs::copy(lock, folder.join("package-lock.json"))?;
        "ci"
    } else {
        "install"
    };
    run(Command::new("npm")
        .args([verb, "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(_: &Path, folder: &Path) -> Result {
        let log = folder.with_extension("log");
        let runs = fs::read_to_string(&log).unwrap_or_default();
        fs::write(log, runs + "x")?;
        Ok(fs::write(folder.join("thing"), "")?)
    }

    fn fail(_: &Path, _: &Path) -> Result {
        Err("no such package".into())
    }

    const KIT: Kit = Kit {
        name: "things",
        manifests: &["wanted", "wanted.lock"],
        folder: "deps/things",
        install: count,
        variable: ("THING", "thing"),
    };

    fn folder(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("actionpass-tools-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        root
    }

    #[test]
    fn a_kit_is_installed_once_for_each_change_of_its_manifests() {
        let root = folder("once");
        let runs = || {
            fs::read_to_string(root.join("deps/things.log"))
                .unwrap_or_default()
                .len()
        };
        assert_eq!(KIT.provide(&root).unwrap(), None);
        for (file, text, expected) in [
            ("wanted", "a", 1),
            ("wanted", "a", 1),
            ("wanted.lock", "b", 2),
            ("wanted", "c", 3),
        ] {
            fs::write(root.join(file), text).unwrap();
            assert_eq!(
                KIT.provide(&root).unwrap(),
                Some(("THING", root.join("deps/things/thing")))
            );
            assert_eq!(runs(), expected);
        }
        fs::remove_file(root.join("deps/things/thing")).unwrap();
        KIT.provide(&root).unwrap();
        assert_eq!(runs(), 4);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_failed_install_is_an_error_each_time() {
        let root = folder("fail");
        fs::write(root.join("wanted"), "a").unwrap();
        let kit = Kit { install: fail, ..KIT };
        assert!(kit.provide(&root).is_err());
        assert!(kit.provide(&root).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_noticed() {
        assert!(succeeds(&["sh", "-c", "exit 0"]));
        assert!(!succeeds(&["sh", "-c", "exit 1"]));
        assert!(!succeeds(&["no-such-program-here"]));
        assert!(!succeeds(&[]));
    }
}
