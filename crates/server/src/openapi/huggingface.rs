//! The shapes of the route that speaks like a Hugging Face token-classification endpoint, for the OpenAPI document only;
//! see `schemas.rs` for what that trades.

#![expect(dead_code, reason = "described, never made")]

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Texts for a token classifier.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HfRequest {
    inputs: HfInputs,
    #[schema(required = false)]
    parameters: HfParameters,
    /// Taken and ignored: what such clients say to a host that keeps models asleep.
    #[schema(required = false, value_type = Object)]
    options: Value,
}

/// One text, or many.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum HfInputs {
    One(String),
    Many(Vec<String>),
}

/// How the tokens become mentions.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HfParameters {
    /// How tokens are put together; without it `simple`. `none` gives every token by itself.
    #[schema(schema_with = aggregation_strategy, required = false)]
    aggregation_strategy: String,
    /// Labels to leave out.
    #[schema(example = json!(["WEAPON"]))]
    ignore_labels: Option<Vec<String>>,
    /// By how many tokens the windows of a long text overlap.
    #[schema(minimum = 0)]
    stride: Option<usize>,
}

fn aggregation_strategy() -> Schema {
    let names = ["none", "simple", "first", "average", "max"].map(Value::from);
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .description(Some("How tokens are put together; without it `simple`. `none` gives every token by itself."))
        .enum_values(Some(names.into_iter().chain([Value::Null])))
        .into()
}

/// The mentions of one text, or a list of such for many texts. Either may be an empty list, so that the two do not
/// exclude each other as the variants of a derived schema do.
pub(crate) struct HfAnswer;

impl PartialSchema for HfAnswer {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some("The mentions of one text, or a list of such for many texts."))
            .item(Ref::from_schema_name("HfEntities"))
            .item(ArrayBuilder::new().items(Ref::from_schema_name("HfEntities")))
            .into()
    }
}

impl ToSchema for HfAnswer {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((HfEntities::name().into_owned(), HfEntities::schema()));
        HfEntities::schemas(schemas);
    }
}

/// The mentions of one text, or with `none` its tokens.
#[derive(ToSchema)]
pub(crate) struct HfEntities(Vec<HfEntity>);

/// A mention, or with `none` a token.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum HfEntity {
    Group(HfGroup),
    Token(HfToken),
}

/// A mention.
#[derive(ToSchema)]
pub(crate) struct HfGroup {
    /// What it names.
    #[schema(example = "PLACE")]
    entity_group: String,
    /// How sure the model is.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// The mention.
    word: String,
    /// Where it begins, in the unit of `offsets`.
    start: usize,
    /// Where it ends: one past its last unit.
    end: usize,
}

/// A token.
#[derive(ToSchema)]
pub(crate) struct HfToken {
    /// What it is a part of, with the prefix that the model gives it.
    #[schema(example = "B-PLACE")]
    entity: String,
    /// How sure the model is.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// Which token of the text it is.
    index: usize,
    /// The token, as the tokenizer writes it.
    word: String,
    /// Where it begins, in the unit of `offsets`.
    start: usize,
    /// Where it ends: one past its last unit.
    end: usize,
}

/// The problem detail with the one member that such clients read. (A derived `allOf` would need a field that the
/// document then shows; this one is two lines.)
pub(crate) fn problem() -> RefOr<Schema> {
    let error = ObjectBuilder::new().schema_type(Type::String).description(Some("What was wrong, for those clients."));
    AllOfBuilder::new()
        .description(Some(
            "A problem detail that clients of Hugging Face endpoints and of the Open Inference Protocol can read, too.",
        ))
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("error", error).required("error"))
        .into()
}
