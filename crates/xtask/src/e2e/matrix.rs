//! Every bundle that one client makes, verified and refused by every client; printed as a table.

use super::clients::{Check, Client, EMAIL, Form};
use anyhow::{Result, bail};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::path::{Path, PathBuf};

struct Signed<'a> {
    by: &'a Client,
    form: Form,
    rekor: u32,
    bundle: PathBuf,
}

/// What must be refused, and why it would be wrong to accept it.
const REFUSALS: [&str; 3] = ["a tampered artifact", "a wrong identity", "a wrong issuer"];

pub(crate) fn run(clients: &[Client], folder: &Path) -> Result<()> {
    let mut faults = Vec::new();
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(
        ["signed by", "bundle", "log"]
            .into_iter()
            .chain(clients.iter().map(|client| client.name)),
    );
    let mut cells = 0;
    for client in clients.iter().filter(|client| client.signs()) {
        for (form, rekor) in [
            (Form::Message, 1),
            (Form::Message, 2),
            (Form::Dsse, 1),
            (Form::Dsse, 2),
        ] {
            let head = [
                client.name.to_owned(),
                format!("{form:?}"),
                format!("v{rekor}"),
            ];
            if !client.is_there() {
                table.add_row(
                    head.into_iter()
                        .chain(clients.iter().map(|_| "skipped".to_owned())),
                );
                continue;
            }
            let bundle = folder.join(format!("{}-{form:?}-v{rekor}.sigstore.json", client.name));
            if let Err(error) = client.sign(form, rekor, &bundle) {
                table.add_row(
                    head.into_iter()
                        .chain(clients.iter().map(|_| "NOT SIGNED".to_owned())),
                );
                faults.push(format!("{error:#}"));
                continue;
            }
            let signed = Signed {
                by: client,
                form,
                rekor,
                bundle,
            };
            let row: Vec<String> = clients
                .iter()
                .map(|verifier| cell(&signed, verifier, folder, &mut faults))
                .collect();
            cells += row.len();
            table.add_row(head.into_iter().chain(row));
        }
    }
    println!("{table}");
    println!("ok: verified, and refused with {}", REFUSALS.join(", "));
    for client in clients.iter().filter(|client| !client.is_there()) {
        println!(
            "SKIPPED: every cell of {}, which this machine lacks",
            client.name
        );
    }
    if !faults.is_empty() {
        bail!(
            "{} of the matrix's checks failed:\n\n{}",
            faults.len(),
            faults.join("\n\n")
        );
    }
    println!(
        "{cells} cells, {} verifications",
        cells * (1 + REFUSALS.len())
    );
    Ok(())
}

/// One bundle before one verifier: one acceptance and three refusals.
fn cell(signed: &Signed<'_>, verifier: &Client, folder: &Path, faults: &mut Vec<String>) -> String {
    if !verifier.is_there() {
        return "skipped".to_owned();
    }
    let tampered = folder.join("tampered.txt");
    let setting = &verifier.setting;
    let good = Check {
        bundle: &signed.bundle,
        form: signed.form,
        artifact: &setting.artifact,
        identity: EMAIL,
        issuer: &setting.issuer,
    };
    let what = format!(
        "{:?} bundle of {} (Rekor v{}) before {}",
        signed.form, signed.by.name, signed.rekor, verifier.name
    );
    let mut ok = true;
    let mut fault = |text: String| {
        faults.push(text);
        ok = false;
    };
    if std::fs::write(&tampered, "an artifact worth signing?\n").is_err() {
        fault(format!("{what}: cannot write {}", tampered.display()));
    }
    match verifier.verify(&good) {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => fault(format!("{what}: refused\n{reason}")),
        Err(error) => fault(format!("{what}: {error:#}")),
    }
    let bad = [
        Check {
            artifact: &tampered,
            ..good
        },
        Check {
            identity: "mallory@example.com",
            ..good
        },
        Check {
            issuer: "https://issuer.example.com",
            ..good
        },
    ];
    for (check, name) in bad.iter().zip(REFUSALS) {
        match verifier.verify(check) {
            Ok(Err(_)) => {}
            Ok(Ok(())) => fault(format!("{what}: accepted with {name}")),
            Err(error) => fault(format!("{what} with {name}: {error:#}")),
        }
    }
    if ok {
        "ok".to_owned()
    } else {
        "FAILED".to_owned()
    }
}
