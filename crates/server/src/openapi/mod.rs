//! The description of the HTTP service for programs and for people: one OpenAPI 3.1 document, at `/openapi.json`, in
//! `docs/openapi.json` and as a page at `/docs`.
//!
//! It is written beside the routes and not derived from them: what a service promises should change because somebody
//! wants it to, not because a type did. What that trades is that it can say what is not so. Three tests hold it: the
//! file in `docs/` is compared to it, its parts to each other, and `make contract` asks a running service.

mod docs;
mod examples;
mod headers;
mod huggingface;
mod integrations;
mod paths;
pub(crate) mod problems;
mod protocols;
mod schemas;

use axum::Router;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, ServerBuilder,
};

/// The title of the service.
const TITLE: &str = "Dateline";
/// The ways to send a key, as operations refer to them.
const BEARER: &str = "bearer";
const API_KEY: &str = "apiKey";
const BASIC: &str = "basic";

const ABOUT: &str = "\
Dateline reads conflict reporting and marks who, where, which unit and which weapon. Every mention is an exact slice of \
your text, with a calibrated confidence.

Send a text to `POST /v1/annotate`:

```sh
curl -d '{\"text\":\"Drones struck a depot near Port Almeda.\"}' http://127.0.0.1:8080/v1/annotate
```

Where the service has API keys, send one as `Authorization: Bearer KEY` or as `X-API-Key: KEY`. Every answer has an \
`X-Request-Id`, which is what to tell the operator when something is wrong.

Every error is a problem detail (RFC 9457, `application/problem+json`); `ProblemCode` below lists \
what can be wrong.";

/// The document.
pub(crate) fn document() -> OpenApi {
    let tag = |name: &str, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    OpenApiBuilder::new()
        .info(info())
        // Whoever reads the document from a service gets that service; it names no host.
        .servers(Some([ServerBuilder::new().url("/").description(Some("This service")).build()]))
        .tags(Some([
            tag("annotate", "Texts in, mentions out."),
            tag("models", "What the service can find."),
            tag("huggingface", "The same for clients of Hugging Face endpoints."),
            tag("integrations", "The same for clients of other products, as they are."),
            tag("operations", "For whoever runs the service."),
        ]))
        .paths(paths::paths())
        .components(Some(components()))
        .build()
}

/// The document as it is served and kept in `docs/openapi.json`: indented, with a line break at its end, the same from
/// every build.
#[must_use]
pub fn openapi_json() -> String {
    let mut json = document().to_pretty_json().expect("the document is plain JSON");
    json.push('\n');
    json
}

/// `/openapi.json`, and `/docs` with its files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    docs::routes()
}

fn info() -> Info {
    let license = LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0")).build();
    InfoBuilder::new()
        .title(TITLE)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build()
}

fn components() -> Components {
    let key = "A key of the service; its operator makes one with `dateline keys add`.";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(key)).build();
    let api_key = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", key));
    let password = "The password is a key of the service, the name is ignored; for clients that can send nothing else.";
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(password)).build();
    let mut components = ComponentsBuilder::new()
        .schemas_from_iter(schemas())
        .schema("HfProblem", huggingface::problem())
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .security_scheme(API_KEY, SecurityScheme::ApiKey(api_key))
        .security_scheme(BASIC, SecurityScheme::Http(basic))
        .responses_from_iter(problems::responses());
    for parameter in paths::parameters() {
        components = components.parameter(parameter.name.clone(), parameter);
    }
    for (name, header) in headers::all() {
        components = components.header(name, header);
    }
    components.build()
}

/// Every schema, by name: those that operations name, and what these are made of.
fn schemas() -> Vec<(String, RefOr<Schema>)> {
    fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
    let mut all = Vec::new();
    collect::<schemas::AnnotateRequest>(&mut all);
    collect::<schemas::AnnotateAnswer>(&mut all);
    collect::<schemas::DocumentLine>(&mut all);
    collect::<schemas::AnnotatedLine>(&mut all);
    collect::<schemas::LineError>(&mut all);
    collect::<schemas::Models>(&mut all);
    collect::<schemas::Labels>(&mut all);
    collect::<schemas::Live>(&mut all);
    collect::<schemas::Ready>(&mut all);
    collect::<huggingface::HfRequest>(&mut all);
    collect::<huggingface::HfAnswer>(&mut all);
    integrations::collect(&mut all);
    protocols::schemas(&mut |name, schema| all.push((name, schema)));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::problems::PROBLEMS;

    #[test]
    fn every_code_stands_once_with_a_title_of_its_own() {
        let codes: BTreeSet<_> = PROBLEMS.iter().map(|row| row.code).collect();
        let titles: BTreeSet<_> = PROBLEMS.iter().map(|row| row.title).collect();
        assert_eq!((codes.len(), titles.len()), (PROBLEMS.len(), PROBLEMS.len()));
        assert!(PROBLEMS.is_sorted_by_key(|row| row.status));
    }
}
