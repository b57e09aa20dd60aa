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
    let both = json!({"documents": [{"text": PLANTED}, {"text": PLANTED}]}).to_string();
    assert_eq!(
        server.post("/v1/annotate", "application/json", both).status,
        500,
        "nothing of the request was annotated"
    );
    // Whether the first document shares the batch of the second depends on when each is read; neither is ever left out.
    let mixed = json!({"documents": [{"text": "Kyiv"}, {"text": PLANTED}]}).to_string();
    let answer = server.post("/v1/annotate", "application/json", mixed);
    if answer.status == 200 {
        let answer = answer.json();
        assert_eq!(answer["documents"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!((&answer["errors"][0]["index"], &answer["errors"][0]["code"]), (&json!(1), &json!("model_failed")));
    } else {
        assert_eq!(answer.status, 500, "{}", answer.body);
    }
    let said = server.said().join("\n");
    assert!(said.contains("panicked"), "{said}");
    assert!(!said.contains(secret) && !said.contains(PLANTED), "a log never holds a text: {said}");
}
