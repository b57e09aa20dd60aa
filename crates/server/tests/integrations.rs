//! The protocols of other products from outside, with a model of a few lines: Comprehend and Label Studio.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use common::Fake;
use dateline_engine::EngineOptions;
use dateline_server::keys::KeyFile;
use dateline_server::{Limits, ServerConfig, router};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

const AMAZON: &str = "application/x-amz-json-1.1";
const STUDIO: &str = "/integrations/label-studio";
const INTERFACE: &str = r#"<View><Labels name="label" toName="text"><Label value="Location"/><Label value="Person"/></Labels>
    <Text name="text" value="$text"/></View>"#;

fn app_with(config: &ServerConfig) -> Router {
    router(Fake::with_gate(|| {}).engine(EngineOptions::default()), config).unwrap()
}

fn app() -> Router {
    let limits = Limits { max_documents: 30, ..Limits::default() };
    app_with(&ServerConfig { limits, ..ServerConfig::default() })
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.status, head.headers, serde_json::from_slice(&body).unwrap())
}

fn ask(action: &str, body: &Value) -> Request<Body> {
    let request = Request::post("/integrations/comprehend").header(header::CONTENT_TYPE, AMAZON);
    request.header("x-amz-target", format!("Comprehend_20171127.{action}")).body(Body::from(body.to_string())).unwrap()
}

/// The entities of one text.
async fn detect(app: &Router, text: &str) -> Vec<Value> {
    let body = json!({"Text": text, "LanguageCode": "en"});
    let (status, headers, answer) = send(app, ask("DetectEntities", &body)).await;
    assert_eq!((status, &headers[header::CONTENT_TYPE]), (StatusCode::OK, &AMAZON.parse().unwrap()), "{answer}");
    answer["Entities"].as_array().unwrap().clone()
}

/// The name of the error that answers a request, which must be in both of its places.
async fn refused(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    let (status, headers, answer) = send(app, request).await;
    let name = answer["__type"].as_str().unwrap();
    assert_eq!(headers["x-amzn-errortype"], name);
    assert_eq!(headers[header::CONTENT_TYPE], AMAZON);
    assert!(!answer["Message"].as_str().unwrap().is_empty());
    (status, name.to_owned())
}

fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(format!("{STUDIO}{path}")).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

async fn predict(app: &Router, body: Value) -> Vec<Value> {
    let (status, _, answer) = send(app, post("/predict", &body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["results"].as_array().unwrap().clone()
}

fn slice(text: &str, start: &Value, end: &Value) -> String {
    let at = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    text.chars().take(at(end)).skip(at(start)).collect()
}

/// Texts in which names stand among what offsets trip over.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("Kyiv".to_owned()),
        proptest::sample::select(vec![
            "🚀",
            "👩‍🚒",
            "e\u{301}",
            "שלום",
            "قال",
            "\r\n",
            "\0",
            "\u{10330}",
            " & <b>",
            "\u{feff}"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(part, 1..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// By both protocols what is marked is cut out of the text by its offsets in code points.
    #[test]
    fn offsets_are_those_of_the_words(text in texts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let app = app();
        let count = text.matches("Kyiv").count();
        let entities = if text.is_empty() { Vec::new() } else { runtime.block_on(detect(&app, &text)) };
        prop_assert_eq!(entities.len(), count);
        for entity in entities {
            prop_assert_eq!(&entity["Text"], "Kyiv");
            prop_assert_eq!(slice(&text, &entity["BeginOffset"], &entity["EndOffset"]), "Kyiv");
        }
        let body = json!({"label_config": INTERFACE, "tasks": [{"data": {"text": text}}, {"data": {"text": "x"}}]});
        let results = runtime.block_on(predict(&app, body));
        let regions = results[0]["result"].as_array().unwrap();
        prop_assert_eq!(regions.len(), count);
        for region in regions {
            let value = &region["value"];
            prop_assert_eq!(&value["text"], "Kyiv");
            prop_assert_eq!(slice(&text, &value["start"], &value["end"]), "Kyiv");
        }
    }
}

#[tokio::test]
async fn comprehend_answers_one_text() {
    let entity = json!({"Score": 1.0, "Type": "LOCATION", "Text": "Kyiv", "BeginOffset": 2, "EndOffset": 6});
    assert_eq!(detect(&app(), "🚀 Kyiv").await, [entity]);
    // Where a client asks whose endpoint has no path, and where the JavaScript client puts a slash.
    for path in ["/", "/integrations/comprehend/"] {
        let mut request = ask("DetectEntities", &json!({"Text": "Kyiv", "LanguageCode": "en", "More": 1}));
        *request.uri_mut() = path.parse().unwrap();
        let (status, headers, _) = send(&app(), request).await;
        assert_eq!(status, StatusCode::OK);
        assert!(headers.contains_key("x-amzn-requestid"));
    }
}

#[tokio::test]
async fn comprehend_answers_a_batch_with_what_is_wrong_beside_it() {
    let texts = json!(["Kyiv", "a".repeat(5001), "FAIL", "", "é".repeat(2500)]);
    let body = json!({"TextList": texts, "LanguageCode": "en"});
    assert_eq!(refused(&app(), ask("BatchDetectEntities", &body)).await.1, "InvalidRequestException");
    let texts = json!(["Kyiv", "a".repeat(5001), "FAIL", "é".repeat(2500)]);
    let body = json!({"TextList": texts, "LanguageCode": "en"});
    let (status, _, answer) = send(&app(), ask("BatchDetectEntities", &body)).await;
    assert_eq!(status, StatusCode::OK);
    let index =
        |list: &str| answer[list].as_array().unwrap().iter().map(|item| item["Index"].clone()).collect::<Vec<_>>();
    assert_eq!((index("ResultList"), index("ErrorList")), (vec![json!(0), json!(3)], vec![json!(1), json!(2)]));
    assert_eq!(answer["ResultList"][0]["Entities"][0]["Type"], "LOCATION");
    let codes = [0, 1].map(|at| answer["ErrorList"][at]["ErrorCode"].as_str().unwrap());
    assert_eq!(codes, ["TEXT_SIZE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR"]);
    // All of them at fault, each by itself.
    let body = json!({"TextList": ["a".repeat(5001), "FAIL"], "LanguageCode": "en"});
    let (status, _, answer) = send(&app(), ask("BatchDetectEntities", &body)).await;
    assert_eq!((status, answer["ErrorList"].as_array().unwrap().len()), (StatusCode::OK, 2));
}

#[tokio::test]
async fn comprehend_says_what_is_wrong_as_amazon_does() {
    let one = |text: &str, language: &str| ask("DetectEntities", &json!({"Text": text, "LanguageCode": language}));
    let many = |count: usize| ask("BatchDetectEntities", &json!({"TextList": vec!["a"; count], "LanguageCode": "en"}));
    let raw = |body: &'static str| {
        let mut request = ask("DetectEntities", &json!({}));
        *request.body_mut() = Body::from(body);
        request
    };
    let app = app();
    for (request, name) in [
        (one(&"é".repeat(50_001), "en"), "TextSizeLimitExceededException"),
        (one("a", "de"), "UnsupportedLanguageException"),
        (one("a", "english"), "InvalidRequestException"),
        (one("", "en"), "InvalidRequestException"),
        (many(26), "BatchSizeLimitExceededException"),
        (many(0), "InvalidRequestException"),
        (ask("DetectEntities", &json!({"Text": "a"})), "InvalidRequestException"),
        (ask("DetectEntities", &json!({"LanguageCode": "en"})), "InvalidRequestException"),
        (ask("DetectEntities", &json!({"LanguageCode": "en", "Bytes": "YQ=="})), "InvalidRequestException"),
        (ask("DetectEntities", &json!({"LanguageCode": "en", "Text": 5})), "InvalidRequestException"),
        (ask("DetectSentiment", &json!({"Text": "a", "LanguageCode": "en"})), "UnknownOperationException"),
        (Request::post("/").body(Body::empty()).unwrap(), "UnknownOperationException"),
        (raw("{"), "SerializationException"),
        (raw("{\"Text\": \"\\ud800\", \"LanguageCode\": \"en\"}"), "SerializationException"),
    ] {
        assert_eq!(refused(&app, request).await, (StatusCode::BAD_REQUEST, name.to_owned()));
    }
    assert_eq!(
        refused(&app, one("FAIL", "en")).await,
        (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException".to_owned())
    );
    assert_eq!(detect(&app, &"é".repeat(50_000)).await.len(), 0);
}

#[tokio::test]
async fn the_key_comes_as_each_client_can_send_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let mut file = KeyFile::parse("").unwrap();
    let key = file.add("desk", None).unwrap();
    file.write(&path).unwrap();
    let app = app_with(&ServerConfig { keys: Some(path), ..ServerConfig::default() });
    let key = key.reveal();
    let signed = |key: &str| {
        let mut request = ask("DetectEntities", &json!({"Text": "Kyiv", "LanguageCode": "en"}));
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261122/eu-west-1/comprehend/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=0000"
        );
        request.headers_mut().insert(header::AUTHORIZATION, signature.parse().unwrap());
        request
    };
    assert_eq!(send(&app, signed(key)).await.0, StatusCode::OK);
    for mut request in [signed("dl_wrong"), signed(""), ask("DetectEntities", &json!({}))] {
        assert_eq!(refused(&app, request_to(&mut request, "/")).await.1, "UnrecognizedClientException");
    }
    // A signature opens nothing but its own protocol's routes.
    assert_eq!(send(&app, request_to(&mut signed(key), "/v1/annotate")).await.0, StatusCode::UNAUTHORIZED);

    use base64::Engine as _;
    let basic = |key: &str| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("anyone:{key}")));
    for (authorization, status) in [
        (basic(key), StatusCode::OK),
        (format!("Bearer {key}"), StatusCode::OK),
        (basic("dl_wrong"), StatusCode::UNAUTHORIZED),
        ("Basic %".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::get(format!("{STUDIO}/health")).header(header::AUTHORIZATION, &authorization);
        assert_eq!(send(&app, request.body(Body::empty()).unwrap()).await.0, status, "{authorization}");
    }
    let request = Request::get("/v1/models").header(header::AUTHORIZATION, basic(key));
    assert_eq!(send(&app, request.body(Body::empty()).unwrap()).await.0, StatusCode::UNAUTHORIZED);
}

fn request_to(request: &mut Request<Body>, path: &str) -> Request<Body> {
    let mut request = std::mem::replace(request, Request::new(Body::empty()));
    *request.uri_mut() = path.parse().unwrap();
    request
}

#[tokio::test]
async fn label_studio_gets_a_prediction_for_each_task() {
    let app = app();
    let tasks = json!([
        {"id": 1, "data": {"text": "🚀 Kyiv, Kyiv"}}, {"id": 2, "data": {}}, {"id": 3, "data": {"text": null}}, {"id": 4},
        {"id": 5, "data": {"text": ""}}, {"id": 6, "data": {"text": "Lviv"}},
    ]);
    let body = json!({"tasks": tasks, "label_config": INTERFACE, "project": "1.17", "params": {"login": null}});
    let results = predict(&app, body.clone()).await;
    assert_eq!(results.len(), 6);
    assert_eq!(
        results[0]["result"][0],
        json!({
            "id": results[0]["result"][0]["id"], "from_name": "label", "to_name": "text", "type": "labels", "score": 1.0,
            "value": {"start": 2, "end": 6, "text": "Kyiv", "labels": ["Location"]},
        })
    );
    assert_eq!((&results[0]["score"], &results[0]["model_version"]), (&json!(0.75), &json!("fake")));
    for empty in &results[1..] {
        assert_eq!(*empty, json!({"model_version": "fake", "score": null, "result": []}));
    }
    assert_ne!(results[0]["result"][0]["id"], results[0]["result"][1]["id"]);
    assert_eq!(predict(&app, body).await, results, "the same request is answered alike, ids included");
}

/// Of an empty list Label Studio keeps nothing and asks again; of an empty prediction it keeps that nothing was found.
#[tokio::test]
async fn a_task_on_which_the_model_fails_has_no_prediction() {
    let app = app();
    let body = |texts: &[&str]| {
        let tasks: Vec<_> = texts.iter().map(|text| json!({"data": {"text": text}})).collect();
        json!({"tasks": tasks, "label_config": INTERFACE})
    };
    let results = predict(&app, body(&["FAIL", "Kyiv"])).await;
    assert_eq!((&results[0], results[1]["result"].as_array().unwrap().len()), (&json!([]), 1));
    let (status, _, answer) = send(&app, post("/predict", &body(&["FAIL"]))).await;
    assert_eq!((status, &answer["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("model_failed")));
}

#[tokio::test]
async fn an_interface_says_what_is_answered_where() {
    let interface = r#"<View><Labels name="a" toName="one,two"><Label value="place" alias="Ort"/></Labels>
        <Labels name="b" toName="two"><Label value="Person"/></Labels><Labels name="c" toName="two"><Label value="GPE"/></Labels>
        <Text name="one" value="$title"/><Text name="two" value="$story.body"/></View>"#;
    let task = json!({"data": {"title": "Kyiv", "story": {"body": "In Kyiv"}}});
    let results = predict(&app(), json!({"tasks": [task], "label_config": interface})).await;
    let regions: Vec<_> = results[0]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| {
            (
                region["from_name"].clone(),
                region["to_name"].clone(),
                region["value"]["labels"].clone(),
                region["value"]["start"].clone(),
            )
        })
        .collect();
    let region = |from: &str, to: &str, label: &str, start: u32| (json!(from), json!(to), json!([label]), json!(start));
    assert_eq!(regions, [region("a", "one", "Ort", 0), region("a", "two", "Ort", 3), region("c", "two", "GPE", 3)]);
}

#[tokio::test]
async fn setup_is_remembered_for_its_project() {
    let app = app();
    let tasks = json!([{"data": {"text": "Kyiv"}}]);
    let without = json!({"tasks": tasks, "project": "1.17"});
    let (status, _, answer) = send(&app, post("/predict", &without)).await;
    assert_eq!((status, &answer["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("label_config")));
    let setup = json!({
        "project": "1.17", "schema": INTERFACE, "hostname": "http://user:secret@studio", "access_token": "secret",
        "extra_params": null,
    });
    let (status, _, answer) = send(&app, post("/setup", &setup)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"model_version": "fake"})));
    assert_eq!(predict(&app, without).await[0]["result"].as_array().unwrap().len(), 1);
    let (status, _, _) = send(&app, post("/predict", &json!({"tasks": tasks, "project": "2.17"}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let broken = json!({"project": "3.1", "schema": "<View>"});
    let (status, _, answer) = send(&app, post("/setup", &broken)).await;
    assert_eq!((status, &answer["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("schema")));
    // A project that has no interface yet is connected all the same.
    assert_eq!(send(&app, post("/setup", &json!({"project": "4.1"}))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_rest_of_the_contract() {
    let app = app();
    let get = |path: &str| Request::get(format!("{STUDIO}{path}")).body(Body::empty()).unwrap();
    let (status, _, answer) = send(&app, get("/health")).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"status": "UP", "model_class": "Dateline"})));
    assert_eq!(send(&app, get("/versions")).await.2, json!({"versions": ["fake"]}));
    let event = |action: &str| post("/webhook", &json!({"action": action, "project": {"id": 1}}));
    assert_eq!(send(&app, event("ANNOTATION_CREATED")).await.0, StatusCode::OK);
    let (status, _, answer) = send(&app, event("START_TRAINING")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer["detail"].as_str().unwrap().contains("does not train"));
    let many = json!({"tasks": vec![json!({"data": {}}); 31], "label_config": INTERFACE});
    assert_eq!(send(&app, post("/predict", &many)).await.2["code"], "too_many_documents");
    for (path, allowed) in [("/health", "GET"), ("/predict", "POST")] {
        let request = Request::delete(format!("{STUDIO}{path}")).body(Body::empty()).unwrap();
        let (status, headers, answer) = send(&app, request).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(headers[header::ALLOW].to_str().unwrap().contains(allowed));
        assert!(answer["detail"].as_str().unwrap().ends_with(allowed), "{answer}");
    }
}
