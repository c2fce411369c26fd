//! Certificates that servers show.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes an authority, `ca.pem`, and a certificate of it for this name and for 127.0.0.1, `server.pem` with `server.key`.
pub(crate) fn certify(folder: &Path, name: &str) {
    let days = ["-days", "2", "-sha256"];
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = [
        "-x509",
        "-subj",
        "/CN=test authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    let subject = format!("/CN={name}");
    let request = ["-subj", &*subject, "-keyout", "server.key", "-out", "server.csr"];
    let sign = [
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
    ];
    let names = ["-extfile", "names", "-out", "server.pem"];
    fs::write(
        folder.join("names"),
        format!("subjectAltName=DNS:{name},IP:127.0.0.1\n"),
    )
    .expect("the folder is ours");
    for arguments in [
        [&["req"][..], &key, &authority, &days].concat(),
        [&["req"][..], &key, &request].concat(),
        [&["x509", "-req"][..], &sign, &names, &days].concat(),
    ] {
        let output = Command::new("openssl").args(&arguments).current_dir(folder).output();
        let output = output.expect("`openssl` is missing; `cargo xtask test` installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
