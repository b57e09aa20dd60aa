//! The protocols of iMatrics, INCEpTION and the Open Inference Protocol from outside: what their clients send, how they
//! are let in, and in which shape they are refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use std::path::Path;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use common::Fake;
use dateline_engine::EngineOptions;
use dateline_server::keys::KeyFile;
use dateline_server::{Limits, ServerConfig, router};
use serde_json::{Value, json};
use tower::ServiceExt;

const ANALYSIS: &str = "/integrations/imatrics/article/analysis";
const PREDICT: &str = "/integrations/inception/predict";
const INFER: &str = "/v2/models/fake/infer";

fn app(keys: Option<&Path>) -> Router {
    let limits = Limits { max_documents: 8, ..Limits::default() };
    let config = ServerConfig { limits, keys: keys.map(Path::to_owned), ..ServerConfig::default() };
    router(Fake::with_gate(|| {}).engine(EngineOptions::default()), &config).unwrap()
}

async fn send(
    app: Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) = app.oneshot(request.body(body.into()).unwrap()).await.unwrap().into_parts();
    (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

async fn get(path: &str) -> (StatusCode, Value) {
    let (status, _, body) = send(app(None), Method::GET, path, &[], "").await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn post(path: &str, body: Value) -> (StatusCode, Value) {
    let headers = [("content-type", "application/json")];
    let (status, _, body) = send(app(None), Method::POST, path, &headers, body.to_string()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn texts(texts: &[&str]) -> Value {
    json!({"inputs": [{"name": "text", "shape": [texts.len()], "datatype": "BYTES", "data": texts}]})
}

#[tokio::test]
async fn open_inference_describes_itself() {
    let (status, server) = get("/v2").await;
    let expected = json!({
        "name": "dateline", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"],
    });
    assert_eq!((status, server), (StatusCode::OK, expected));
    assert_eq!(get("/v2/health/live").await, (StatusCode::OK, json!({"live": true})));
    let (status, model) = get("/v2/models/fake").await;
    assert_eq!((status, &model["name"], &model["platform"]), (StatusCode::OK, &json!("fake"), &json!("dateline")));
    assert_eq!(model["inputs"], json!([{"name": "text", "datatype": "BYTES", "shape": [-1]}]));
    let outputs: Vec<&str> =
        model["outputs"].as_array().unwrap().iter().map(|output| output["name"].as_str().unwrap()).collect();
    assert_eq!(outputs, ["mentions", "document", "start", "end", "label", "score"]);
}

#[tokio::test]
async fn open_inference_is_ready_when_the_service_is() {
    let app = app(None);
    let ask = |path: &'static str| send(app.clone(), Method::GET, path, &[], "");
    // The first text is answered when the device is warm.
    let (status, _, _) = send(app.clone(), Method::POST, INFER, &[], texts(&["Kyiv"]).to_string()).await;
    assert_eq!(status, StatusCode::OK);
    for (path, expected) in [
        ("/v2/health/ready", json!({"ready": true})),
        ("/v2/models/fake/ready", json!({"name": "fake", "ready": true})),
    ] {
        let (status, headers, body) = ask(path).await;
        assert_eq!((status, serde_json::from_slice::<Value>(&body).unwrap()), (StatusCode::OK, expected));
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn open_inference_answers_json_with_json() {
    let mut body = texts(&["🚀 Kyiv", "", "Kyiv Kyiv"]);
    body["id"] = json!("42");
    body["parameters"] = json!({"offsets": "utf16", "min_score": 0.6});
    let (status, answer) = post(INFER, body).await;
    let mentions = |start: usize| {
        format!("[{{\"start\":{start},\"end\":{},\"label\":\"PLACE\",\"text\":\"Kyiv\",\"score\":1.0}}]", start + 4)
    };
    let outputs = json!([
        {"name": "mentions", "datatype": "BYTES", "shape": [3], "data": [mentions(3), "[]", mentions(0)]},
        {"name": "document", "datatype": "INT64", "shape": [2], "data": [0, 2]},
        {"name": "start", "datatype": "INT64", "shape": [2], "data": [3, 0]},
        {"name": "end", "datatype": "INT64", "shape": [2], "data": [7, 4]},
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["PLACE", "PLACE"]},
        {"name": "score", "datatype": "FP32", "shape": [2], "data": [1.0, 1.0]},
    ]);
    assert_eq!((status, answer), (StatusCode::OK, json!({"model_name": "fake", "id": "42", "outputs": outputs})));
}

#[tokio::test]
async fn open_inference_answers_binary_with_binary() {
    let head = json!({
        "inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 13}}],
        "outputs": [{"name": "start", "parameters": {"binary_data": true}}, {"name": "label"}],
        "parameters": {"offsets": "codepoint"},
    })
    .to_string();
    let body = [head.as_bytes(), &9_u32.to_le_bytes(), "🚀 Kyiv".as_bytes()].concat();
    let length = head.len().to_string();
    let headers = [("content-type", "application/octet-stream"), ("inference-header-content-length", length.as_str())];
    let (status, headers, body) = send(app(None), Method::POST, INFER, &headers, body).await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/octet-stream".parse().unwrap()));
    let (head, rest) = body.split_at(headers["inference-header-content-length"].to_str().unwrap().parse().unwrap());
    let head: Value = serde_json::from_slice(head).unwrap();
    let outputs = json!([
        {"name": "start", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["PLACE"]},
    ]);
    assert_eq!((&head["outputs"], rest), (&outputs, &2_i64.to_le_bytes()[..]));
}

#[tokio::test]
async fn open_inference_says_what_is_wrong_where_its_clients_look() {
    let right = || texts(&["Kyiv"]).to_string();
    for (method, path, headers, body, status, says) in [
        (Method::POST, INFER, vec![], "{".to_owned(), 400, "not valid JSON"),
        (Method::POST, INFER, vec![], "{}".to_owned(), 422, "`inputs` is missing"),
        (Method::POST, INFER, vec![], texts(&["FAIL"]).to_string(), 500, "the model failed"),
        (Method::POST, INFER, vec![], texts(&["Kyiv", "FAIL"]).to_string(), 500, "the model failed"),
        (Method::POST, INFER, vec![], texts(&["x"; 9]).to_string(), 413, "9 texts"),
        (Method::POST, INFER, vec![("inference-header-content-length", "x")], right(), 422, "not a whole number"),
        (Method::POST, INFER, vec![("content-type", "text/plain")], right(), 415, "text/plain"),
        (Method::POST, "/v2/models/other/infer", vec![], right(), 404, "no model \"other\"; there is fake"),
        (Method::GET, "/v2/models/other", vec![], String::new(), 404, "\"other\""),
        (Method::POST, "/v2/models/hub/other/infer", vec![], right(), 404, "no model \"hub/other\""),
        (Method::GET, "/v2/models/hub%2Fother", vec![], String::new(), 404, "no model \"hub/other\""),
        (Method::GET, "/v2/models/other/ready", vec![], String::new(), 404, "\"other\""),
        (Method::GET, "/v2/models/fake/versions/1", vec![], String::new(), 404, "nothing is at"),
        (Method::GET, "/v2/repository/index", vec![], String::new(), 404, "nothing is at"),
        (Method::GET, INFER, vec![], String::new(), 405, "use POST"),
        (Method::POST, "/v2/models/fake", vec![], right(), 405, "use GET"),
        (Method::POST, "/v2", vec![], right(), 405, "use GET"),
    ] {
        let (got, _, answer) = send(app(None), method, path, &headers, body).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(got == status && error.contains(says), "{path}: {got} {answer}");
        assert_eq!(answer["detail"], error);
    }
}

const TYPES: &str = "<typeSystemDescription><types><typeDescription><name>custom.Name</name>\
    <supertypeName>uima.tcas.Annotation</supertypeName><features>\
    <featureDescription><name>value</name><rangeTypeName>uima.cas.String</rangeTypeName></featureDescription>\
    <featureDescription><name>value_score</name><rangeTypeName>uima.cas.Double</rangeTypeName></featureDescription>\
    <featureDescription><name>inception_internal_predicted</name><rangeTypeName>uima.cas.Boolean</rangeTypeName>\
    </featureDescription></features></typeDescription></types></typeSystemDescription>";

fn prediction(text: &str, range: Value) -> Value {
    let xmi = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xmi:XMI xmlns:xmi=\"http://www.omg.org/XMI\" \
         xmlns:cas=\"http:///uima/cas.ecore\" xmi:version=\"2.0\"><cas:NULL xmi:id=\"0\"/>\
         <cas:Sofa xmi:id=\"1\" sofaNum=\"1\" sofaID=\"_InitialView\" mimeType=\"text\" sofaString=\"{text}\"/>\
         <cas:View sofa=\"1\" members=\"\"/></xmi:XMI>"
    );
    json!({
        "metadata": {
            "layer": "custom.Name", "feature": "value", "projectId": 1, "anchoringMode": "tokens",
            "crossSentence": false, "range": range,
        },
        "document": {"xmi": xmi, "documentId": 7, "userId": "someone"},
        "typeSystem": TYPES,
    })
}

#[tokio::test]
async fn inception_gets_its_document_back_with_suggestions() {
    let body = prediction("🚀 Kyiv&#10;Kyiv", Value::Null);
    let sent = body["document"]["xmi"].as_str().unwrap().to_owned();
    let (status, answer) = post(PREDICT, body).await;
    let name = |id: u32, begin: usize, score: &str| {
        format!(
            "<custom:Name xmi:id=\"{id}\" sofa=\"1\" begin=\"{begin}\" end=\"{}\" value=\"PLACE\" \
             value_score=\"{score}\" inception_internal_predicted=\"true\"/>",
            begin + 4
        )
    };
    let expected = sent
        .replace("xmi:version=\"2.0\">", "xmi:version=\"2.0\" xmlns:custom=\"http:///custom.ecore\">")
        .replace("<cas:View", &format!("{}{}<cas:View", name(2, 3, "1"), name(3, 8, "0.5")))
        .replace("members=\"\"", "members=\"2 3\"");
    assert_eq!((status, answer), (StatusCode::OK, json!({"document": expected})));

    let (_, answer) = post(PREDICT, prediction("🚀 Kyiv&#10;Kyiv", json!({"begin": 7, "end": 12}))).await;
    let document = answer["document"].as_str().unwrap();
    assert!(document.contains("begin=\"8\"") && !document.contains("begin=\"3\""), "{document}");
    let (status, answer) = post(PREDICT, prediction("nothing", Value::Null)).await;
    assert_eq!((status, &answer["document"]), (StatusCode::OK, &prediction("nothing", Value::Null)["document"]["xmi"]));
}

#[tokio::test]
async fn inception_is_told_what_is_wrong() {
    let (status, problem) = post(PREDICT, prediction("FAIL", Value::Null)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("model_failed")));
    let (status, problem) = post(PREDICT, json!({"metadata": {}})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("missing_field")));
    let (status, problem) = post("/integrations/inception/train", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("Trainable"), "{problem}");
    let (status, problem) = get(PREDICT).await;
    assert!(status == StatusCode::METHOD_NOT_ALLOWED && problem["detail"].as_str().unwrap().contains("use POST"));
}

#[tokio::test]
async fn an_article_comes_back_as_concepts() {
    let article = json!({
        "uuid": "urn:newsml:localhost:1", "pubStatus": false, "language": "en", "headline": "🚀 Kyiv",
        "body": ["Nothing.", "In Kyiv again."],
    });
    let fields = "uuid,title,type,shortDescription,aliases,source,author,weight,broader,links";
    let (status, answer) = post(&format!("{ANALYSIS}?conceptFields={}", fields.replace(',', "%2C")), article).await;
    let concepts = answer["concepts"].as_array().unwrap();
    assert_eq!((status, concepts.len(), &answer["broader"]), (StatusCode::OK, 1, &json!([])));
    let concept = concepts[0].as_object().unwrap();
    let names: Vec<&str> = concept.keys().map(String::as_str).collect();
    for name in &names {
        assert!(fields.split(',').any(|field| field == *name), "{name}");
    }
    assert_eq!(
        (&concept["title"], &concept["type"], &concept["source"], &concept["aliases"], &concept["links"]),
        (&json!("Kyiv"), &json!("place"), &json!("dateline"), &json!([]), &json!([]))
    );
    assert!(concept["weight"].as_f64().is_some_and(|weight| weight > 0.0), "{concept:?}");

    let (status, answer) = post(ANALYSIS, json!({"headline": "", "body": []})).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"concepts": [], "broader": []})));
}

#[tokio::test]
async fn a_story_in_ninjs_goes_back_with_what_it_speaks_of() {
    let story = json!({"standard": {"name": "ninjs", "version": "3.1"}, "uri": "x", "zeta": 1.50, "alpha": [],
        "places": [{"name": "Lagos"}], "headlines": [{"value": "🚀 Kyiv"}]});
    let (status, answer) = post("/v1/ninjs", story.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let names: Vec<_> = answer["places"].as_array().unwrap().iter().map(|place| &place["name"]).collect();
    assert_eq!(names, ["Lagos", "Kyiv"]);
    assert_eq!((&answer["zeta"], &answer["headlines"]), (&story["zeta"], &story["headlines"]));
    let (_, again) = post("/v1/ninjs", answer.clone()).await;
    assert_eq!(again, answer, "a second time adds nothing");
    let (status, problem) = post("/v1/ninjs", json!({"uri": "x"})).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("missing_field")));
}

/// Triton's client for asyncio says that it takes Brotli, and cannot unpack it.
#[tokio::test]
async fn inference_answers_are_packed_by_gzip_or_not_at_all() {
    for (accepted, packed) in [("gzip, deflate, br", Some("gzip")), ("br", None), ("zstd, deflate", None)] {
        let headers = [("accept-encoding", accepted)];
        let (status, headers, _) = send(app(None), Method::GET, "/v2/models/fake", &headers, "").await;
        let encoding = headers.get("content-encoding").map(|encoding| encoding.to_str().unwrap());
        assert_eq!((status, encoding), (StatusCode::OK, packed), "{accepted}");
    }
}

#[tokio::test]
async fn what_imatrics_has_and_we_have_not_is_refused() {
    for path in ["concept/get", "concept/create", "article/store", "article/concept"] {
        let (status, problem) = post(&format!("/integrations/imatrics/{path}"), json!({"title": "Kyiv"})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        assert!(problem["detail"].as_str().unwrap().contains("not stored"), "{problem}");
    }
    let (status, _, _) = send(app(None), Method::DELETE, "/integrations/imatrics/concept/delete?uuid=1", &[], "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, problem) = get(ANALYSIS).await;
    assert!(status == StatusCode::METHOD_NOT_ALLOWED && problem["detail"].as_str().unwrap().contains("use POST"));
}

fn basic(credentials: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

#[tokio::test]
async fn keys_are_wanted_of_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let mut keys = KeyFile::default();
    let key = keys.add("desk", None).unwrap().reveal().to_owned();
    keys.write(&path).unwrap();

    let article = json!({"body": ["Kyiv"]}).to_string();
    let bodies = [
        (Method::POST, ANALYSIS, article.clone()),
        (Method::POST, "/integrations/imatrics/concept/get", article),
        (Method::POST, PREDICT, prediction("Kyiv", Value::Null).to_string()),
        (Method::GET, "/v2", String::new()),
        (Method::GET, "/v2/models/fake", String::new()),
        (Method::POST, INFER, texts(&["Kyiv"]).to_string()),
    ];
    for (method, uri, body) in bodies {
        let ask = async |credentials: Option<String>| {
            let header = credentials.as_deref().map(|value| ("authorization", value));
            send(app(Some(&path)), method.clone(), uri, header.as_slice(), body.clone()).await
        };
        for wrong in [None, Some(basic("desk:dl_wrong")), Some(basic(&key)), Some("Bearer dl_wrong".to_owned())] {
            let (status, headers, answer) = ask(wrong).await;
            assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (StatusCode::UNAUTHORIZED, "Bearer"));
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["error"].is_string(), uri.starts_with("/v2"), "{answer}");
        }
        let let_in = |status: StatusCode| status != StatusCode::UNAUTHORIZED;
        assert!(let_in(ask(Some(format!("Bearer {key}"))).await.0), "{uri}");
        // Where clients have nothing but a user and a password, the password is the key.
        let by_password = let_in(ask(Some(basic(&format!("anyone:{key}")))).await.0);
        assert!(by_password, "{uri}");
    }
    let (status, _, _) = send(app(Some(&path)), Method::GET, "/v2/health/live", &[], "").await;
    assert_eq!(status, StatusCode::OK);
    let password = basic(&format!("anyone:{key}"));
    let (status, _, _) = send(app(Some(&path)), Method::GET, "/v1/models", &[("authorization", &password)], "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
