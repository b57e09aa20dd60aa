// Hugging Face's own JavaScript client against a running `dateline serve`: huggingface.mjs BASE_URL KEY.
//
// The client is used as its documentation says and not bent in any way. Every entity has to be an exact slice of its
// text as JavaScript counts (`?offsets=utf16`) and, without that, as code points; what is wrong with a request has to
// reach the caller.
import assert from "node:assert/strict";
import { InferenceClient } from "@huggingface/inference";

const [base, key] = process.argv.slice(2);
const url = `${base}/v1/hf/dateline-en-small`;
const texts = {
  plain: "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
  "emoji before, between and after":
    "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
  "accents, some of them combining": "President Emmanuel Macron and Jose\u0301 Ángel Gurría met in Kyiv — “at last”.",
  "two lines, tabs and CRLF": "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.",
  "one that is read in windows": "🛰 The 3rd Assault Brigade left Kyiv for Avdiivka. ".repeat(400),
};

const client = new InferenceClient(key);
const utf16 = client.endpoint(`${url}?offsets=utf16`);
const codepoint = client.endpoint(url);

for (const [name, inputs] of Object.entries(texts)) {
  const entities = await utf16.tokenClassification({ inputs });
  assert.ok(entities.length > 0, `${name}: nothing was found`);
  for (const entity of entities) {
    assert.equal(entity.word, inputs.slice(entity.start, entity.end), `${name}: ${JSON.stringify(entity)}`);
    assert.ok(entity.entity_group.length > 0 && entity.score > 0 && entity.score <= 1, name);
  }
  const characters = [...inputs];
  const same = await codepoint.tokenClassification({ inputs, parameters: { aggregation_strategy: "simple" } });
  for (const entity of same) {
    assert.equal(entity.word, characters.slice(entity.start, entity.end).join(""), name);
  }
  assert.deepEqual(same.map((entity) => entity.word), entities.map((entity) => entity.word), name);
}

const inputs = texts.plain;
const kept = await utf16.tokenClassification({ inputs, parameters: { ignore_labels: ["UNIT", "WEAPON"], stride: 16 } });
assert.deepEqual(
  kept.map((entity) => [entity.entity_group, entity.word]),
  [["PERSON", "Oleksandr Syrskyi"], ["PLACE", "Bakhmut"]],
);
assert.deepEqual(await utf16.tokenClassification({ inputs: "" }), []);

const refused = (status, says) => (error) => {
  assert.equal(error.httpResponse?.status, status, error);
  assert.match(error.message, says);
  assert.ok(error.httpResponse.requestId.length > 0, "the request's id is not there");
  return true;
};
await assert.rejects(
  codepoint.tokenClassification({ inputs, parameters: { aggregation_strategy: "best" } }),
  refused(422, /aggregation_strategy.*none of none, simple, first, average and max/),
);
await assert.rejects(
  new InferenceClient("dl_wrong").endpoint(url).tokenClassification({ inputs }),
  refused(401, /the API key is not known/),
);
await assert.rejects(
  new InferenceClient().endpoint(url).tokenClassification({ inputs }),
  refused(401, /this service wants an API key/),
);
await assert.rejects(
  client.endpoint(`${url}-not`).tokenClassification({ inputs }),
  refused(404, /there is no model/),
);
