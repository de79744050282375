//! Whatever the configuration and the environment name, nothing of a deployment is ever contacted.

use crate::site::{PATIENCE, Said, Site, said, task};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

/// Where nobody may connect to. Whoever does is told of.
struct Forbidden {
    url: String,
    touched: mpsc::Receiver<String>,
}

impl Forbidden {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, touched) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = vec![0; 4096];
                let count = stream.read(&mut request).unwrap_or(0);
                let _ = tell.send(String::from_utf8_lossy(&request[..count]).into_owned());
                let _ = stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { url, touched }
    }

    /// The requests so far. A connection of ours comes last: all earlier ones are known then.
    fn requests(&self) -> Vec<String> {
        let address = self.url.strip_prefix("http://").unwrap();
        std::net::TcpStream::connect(address).unwrap().write_all(b"the end").unwrap();
        self.touched.iter().take_while(|request| request != "the end").collect()
    }
}

const ENVIRONMENT: &str = "mkdir -p $artifacts/public; env > $artifacts/public/env.txt\n\
    cat <&$TASKCLUSTER_CREDENTIALS_FD > $artifacts/public/credentials.json";

fn try_with_everything(forbidden: &Forbidden, site: &Site) -> Said {
    let mut command = site.command(&task(json!({})));
    for name in [
        "TASKCLUSTER_ROOT_URL",
        "TASKCLUSTER_PROXY_URL",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, &forbidden.url);
    }
    command.env("TASKCLUSTER_CLIENT_ID", "env/client").env("TASKCLUSTER_ACCESS_TOKEN", "env-token");
    command.env("TASKCLUSTER_CERTIFICATE", "{}").env("no_proxy", "internal.example.com");
    said(command.output().unwrap())
}

#[test]
fn nothing_connects_to_the_deployment() {
    let forbidden = Forbidden::listen();
    let site = Site::new(ENVIRONMENT)
        .set("taskcluster_root_url", forbidden.url.clone())
        .set("scrub_environment", false)
        .set("verify_chain_of_trust", true)
        .set("verify_cot_signature", true)
        .set("sign_chain_of_trust", true)
        .set("cot_product", "firefox")
        .set("cot_job_type", "signing")
        .set("project_configuration_url", forbidden.url.clone())
        .set("pushlog_url", forbidden.url.clone())
        .set("github_oauth_token", "real-github-token")
        .set("ed25519_private_key_path", "/nowhere/key");
    let said = try_with_everything(&forbidden, &site);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert_eq!(forbidden.requests(), [""; 0]);
    for off in ["verify_chain_of_trust is off in a trial", "sign_chain_of_trust is off in a trial"] {
        assert!(said.err.contains(off), "{}", said.err);
    }
    // and the script is led nowhere either
    let environment = site.read("out/artifacts/public/env.txt");
    let lines: Vec<&str> = environment.lines().filter(|line| line.contains("TASKCLUSTER")).collect();
    let [fd, root_url] = {
        let mut lines = lines.clone();
        lines.sort_unstable();
        <[&str; 2]>::try_from(lines).unwrap()
    };
    assert!(fd.starts_with("TASKCLUSTER_CREDENTIALS_FD="), "{environment}");
    assert!(
        root_url.starts_with("TASKCLUSTER_ROOT_URL=http://127.0.0.1:") && !root_url.contains(&forbidden.url)
    );
    assert!(environment.contains("\nno_proxy=internal.example.com,127.0.0.1\n"), "{environment}");
    for secret in ["real-token", "env-token", "real-github-token", "env/client"] {
        assert!(!environment.contains(secret), "{environment}");
        assert!(!site.read("out/artifacts/public/credentials.json").contains(secret));
        assert!(!said.out.contains(secret) && !said.err.contains(secret));
        assert!(!site.read("out/worker.log").contains(secret));
    }
}

#[test]
fn the_listener_would_notice() {
    let forbidden = Forbidden::listen();
    let site = Site::new("exec 3<>/dev/null").set("taskcluster_root_url", forbidden.url.clone());
    let config = site.write_config();
    let mut worker =
        std::process::Command::new(env!("CARGO_BIN_EXE_scriptworker")).arg(config).spawn().unwrap();
    let request = forbidden.touched.recv_timeout(PATIENCE);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let request = request.unwrap();
    assert!(request.starts_with("POST /api/queue/v1/claim-work/real-provisioner"), "{request}");
}

#[test]
fn credentials_are_not_needed() {
    for site in [
        Site::new("echo fine").without("credentials"),
        Site::new("echo fine").set("credentials", json!({"clientId": "...", "accessToken": "..."})),
        Site::new("echo fine").set("sign_chain_of_trust", true).without("ed25519_private_key_path"),
    ] {
        let mut command = site.command(&task(json!({})));
        let said = said(command.env_clear().env("HOME", site.path("none")).output().unwrap());
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    }
}

#[test]
fn a_task_of_another_pool_is_tried_and_told_of() {
    let site = Site::new("echo fine");
    let said = site.try_task(&json!({"taskQueueId": "other/pool", "payload": {}}));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let told = "the pool other/pool; a worker of real-provisioner/real-worker would never be given it";
    assert!(said.err.contains(told), "{}", said.err);
}
