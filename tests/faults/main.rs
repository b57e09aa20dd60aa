//! A model thread that panics, in the real binary: built with the feature `fault-injection`, it panics on a text that
//! says so. Without this nobody would know what a newsroom sees when a driver or a kernel fails.

use dateline_tests::{Dateline, Server, tiny_model};
use serde_json::json;

const PLANTED: &str = "plant a panic in the model's thread";

#[test]
fn a_panic_of_the_models_thread_costs_its_batch_and_is_said() {
    let dateline = Dateline::new(env!("CARGO_BIN_EXE_dateline")).with_model(tiny_model());
    let server = Server::start(&dateline, &[]);
    let secret = "Ilse Brandt of Port Almeda";
    let body = json!({"text": format!("{secret}: {PLANTED}")}).to_string();
    for round in 1..=3 {
        let failed = server.post("/v1/annotate", "application/json", body.as_str());
        assert_eq!((failed.status, failed.json()["code"].as_str()), (500, Some("model_failed")), "{}", failed.body);
        assert!(!server.annotate("Kyiv", "").is_null(), "the next request is answered");
        server.wait_until_said("not ready");
        server.wait_until_said("ready, with");
        let metrics = server.get("/metrics").body;
        let restarts = format!("dateline_engine_device_restarts_total{{device=\"cpu\"}} {round}");
        assert!(metrics.contains(&restarts), "{metrics}");
    }
    assert_eq!(server.get("/health/ready").status, 200);
    let documents = json!({"documents": [{"text": "Kyiv"}, {"text": PLANTED}]}).to_string();
    assert_eq!(server.post("/v1/annotate", "application/json", documents).status, 500, "its batch is failed");
    let said = server.said().join("\n");
    assert!(said.contains("panicked"), "{said}");
    assert!(!said.contains(secret) && !said.contains(PLANTED), "a log never holds a text: {said}");
}
