//! `cargo xtask bindings node --release`: what is published, in `bindings/node/dist/release`.
//!
//! One package has the wrapper and the module in WebAssembly; each platform has a package of its own with the native module and
//! the command, which npm chooses by `os`, `cpu` and `libc`. This machine makes the one of its own platform: every other one is made on
//! its platform by the same command. No package runs a script when it is installed, and none fetches anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Profile, build, empty, node, sbom, stripped, wasm};
use crate::process::{Result, root, run as succeed};

/// Where the packages of the platforms are published.
const SCOPE: &str = "@actionpass";

/// The platforms that the wrapper asks for, as Rust and as npm name them.
const PLATFORMS: [Platform; 7] = [
    Platform::new("linux-x64-gnu", ["linux", "x64"], Some("glibc")),
    Platform::new("linux-arm64-gnu", ["linux", "arm64"], Some("glibc")),
    Platform::new("linux-x64-musl", ["linux", "x64"], Some("musl")),
    Platform::new("linux-arm64-musl", ["linux", "arm64"], Some("musl")),
    Platform::new("darwin-arm64", ["darwin", "arm64"], None),
    Platform::new("darwin-x64", ["darwin", "x64"], None),
    Platform::new("win32-x64-msvc", ["win32", "x64"], None),
];

#[derive(Debug)]
struct Platform {
    name: &'static str,
    os: &'static str,
    cpu: &'static str,
    libc: Option<&'static str>,
}

impl Platform {
    const fn new(name: &'static str, [os, cpu]: [&'static str; 2], libc: Option<&'static str>) -> Self {
        Self { name, os, cpu, libc }
    }

    /// The one that this program was built for.
    fn here() -> Result<&'static Self> {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            "windows" => "win32",
            os => os,
        };
        let cpu = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            cpu => cpu,
        };
        let libc = match os {
            "linux" if cfg!(target_env = "musl") => Some("musl"),
            "linux" => Some("glibc"),
            _ => None,
        };
        PLATFORMS
            .iter()
            .find(|platform| (platform.os, platform.cpu, platform.libc) == (os, cpu, libc))
            .ok_or_else(|| format!("there is no package for {os}-{cpu}").into())
    }

    fn package(&self) -> String {
        format!("{SCOPE}/{}", self.name)
    }
}

/// Builds everything for release, packs it, and runs what was packed.
pub(super) fn run(kit: &Path, program: &Path) -> Result {
    let platform = Platform::here()?;
    let module = wasm::module(Profile::Small)?
        .map_err(|reason| format!("the module in WebAssembly can't be built: {reason}"))?;
    let dist = empty_dist()?;
    let native = node::pack_folder(&native_package(platform, program)?, &dist)?;
    let wrapper = node::pack_folder(&wrapper_package(&module)?, &dist)?;
    let bill = dist.join("sbom.cdx.json");
    fs::write(&bill, sbom::of("actionpass-node")?)?;

    let app = node::install_all(&[&wrapper, &native], kit, "node-released")?;
    succeed(Command::new("node").arg("test/quickstart.mjs").current_dir(&app))?;
    succeed(
        Command::new("node_modules/.bin/actionpass")
            .arg("version")
            .current_dir(&app),
    )?;
    wasm::test(&wrapper, &app, kit)?;
    for path in [wrapper, native, bill] {
        println!("{}: {} bytes", path.display(), fs::metadata(&path)?.len());
    }
    Ok(())
}

fn empty_dist() -> Result<PathBuf> {
    let dist = root()?.join("bindings/node/dist/release");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    Ok(dist)
}

/// The native module and the command of this platform.
fn native_package(platform: &Platform, program: &Path) -> Result<PathBuf> {
    let stage = empty("node-release-native")?;
    let wrapper = manifest()?;
    let member = |name: &str| wrapper.get(name).cloned().unwrap_or_default();
    let mut manifest = json!({
        "name": platform.package(),
        "version": member("version"),
        "description": format!("The native module and the command of the package actionpass for {}.", platform.name),
        "license": member("license"),
        "repository": member("repository"),
        "engines": member("engines"),
        "os": [platform.os],
        "cpu": [platform.cpu],
        "files": ["actionpass.node", "bin", "sbom.cdx.json", "LICENSE-APACHE", "LICENSE-MIT"],
    });
    if let (Some(libc), Some(members)) = (platform.libc, manifest.as_object_mut()) {
        members.insert("libc".to_owned(), json!([libc]));
    }
    write(&stage, &manifest)?;
    node::copy_licences(&stage)?;
    fs::write(stage.join("sbom.cdx.json"), sbom::of("actionpass-node")?)?;
    stripped(&node::module(Profile::Release)?, &stage.join("actionpass.node"))?;
    let command = format!("bin/actionpass{}", std::env::consts::EXE_SUFFIX);
    stripped(program, &stage.join(command))?;
    Ok(stage)
}

/// The wrapper with the module in WebAssembly. The packages of the platforms are optional: npm leaves out those of other platforms, and
/// with none of them it verifies and hashes.
fn wrapper_package(module: &Path) -> Result<PathBuf> {
    let stage = empty("node-release")?;
    node::copy_wrapper(&stage)?;
    fs::copy(module, stage.join("actionpass.wasm"))?;
    fs::create_dir_all(stage.join("bin"))?;
    fs::write(
        stage.join("bin/actionpass.js"),
        "#!/usr/bin/env node\nimport '../lib/command.js';\n",
    )?;
    let mut manifest = manifest()?;
    let version = manifest.get("version").cloned().unwrap_or_default();
    let members = manifest.as_object_mut().ok_or("the manifest is no object")?;
    members.insert("bin".to_owned(), json!({ "actionpass": "bin/actionpass.js" }));
    members.insert(
        "optionalDependencies".to_owned(),
        PLATFORMS
            .iter()
            .map(|platform| (platform.package(), version.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    );
    if let Some(files) = members.get_mut("files").and_then(Value::as_array_mut) {
        for file in files {
            if *file == "actionpass.node" {
                *file = "actionpass.wasm".into();
            }
        }
    }
    write(&stage, &manifest)?;
    Ok(stage)
}

fn manifest() -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(
        root()?.join("bindings/node/package.json"),
    )?)?)
}

fn write(stage: &Path, manifest: &Value) -> Result {
    let text = serde_json::to_string_pretty(manifest)?;
    Ok(fs::write(stage.join("package.json"), text + "\n")?)
}

/// The command for release.
pub(super) fn command() -> Result<PathBuf> {
    match std::env::var_os("ACTIONPASS_PROGRAM") {
        Some(program) => Ok(program.into()),
        None => build("actionpass-cli", Profile::Release, |name| {
            name == "actionpass" || name == "actionpass.exe"
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_a_package_and_npm_can_tell_them_apart() {
        let mut seen = Vec::new();
        for platform in &PLATFORMS {
            assert!(
                platform.name.starts_with(&format!("{}-{}", platform.os, platform.cpu)),
                "{platform:?}"
            );
            assert_eq!(platform.libc.is_some(), platform.os == "linux", "{platform:?}");
            let told = (platform.os, platform.cpu, platform.libc);
            assert!(!seen.contains(&told), "{platform:?}");
            seen.push(told);
        }
    }
}
