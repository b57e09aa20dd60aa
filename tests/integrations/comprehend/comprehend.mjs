// Amazon's own JavaScript client against a running `dateline serve`: comprehend.mjs BASE_URL KEY.
//
// The client is used as its documentation says. Its offsets are code points, as the service's are, so a text is cut with
// its array of characters and not with `slice` of the string.
import assert from "node:assert/strict";
import {
  BatchDetectEntitiesCommand,
  ComprehendClient,
  DetectEntitiesCommand,
  DetectSentimentCommand,
  TextSizeLimitExceededException,
  UnsupportedLanguageException,
} from "@aws-sdk/client-comprehend";

const [base, key] = process.argv.slice(2);
const texts = [
  "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
  "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
  "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.",
];

function client(endpoint, accessKeyId) {
  const credentials = { accessKeyId, secretAccessKey: "not looked at" };
  return new ComprehendClient({ endpoint, region: "eu-west-1", credentials, maxAttempts: 1 });
}

// The path of an endpoint is kept; without one the client asks for `/`.
for (const endpoint of [base, `${base}/integrations/comprehend`]) {
  const comprehend = client(endpoint, key);
  const batch = await comprehend.send(new BatchDetectEntitiesCommand({ TextList: texts, LanguageCode: "en" }));
  assert.deepEqual(batch.ErrorList, []);
  for (const [index, Text] of texts.entries()) {
    const { Entities, $metadata } = await comprehend.send(new DetectEntitiesCommand({ Text, LanguageCode: "en" }));
    assert.ok(Entities.length > 0 && $metadata.requestId, Text);
    assert.deepEqual(batch.ResultList[index], { Index: index, Entities });
    for (const { BeginOffset, EndOffset, Text: words, Score } of Entities) {
      assert.equal([...Text].slice(BeginOffset, EndOffset).join(""), words);
      assert.ok(Score > 0 && Score <= 1);
    }
  }
  const refused = (client, command, name) => assert.rejects(client.send(command), (error) => error.name === name);
  const one = (Text, LanguageCode = "en") => new DetectEntitiesCommand({ Text, LanguageCode });
  await assert.rejects(comprehend.send(one("a".repeat(100_001))), TextSizeLimitExceededException);
  await assert.rejects(comprehend.send(one("Kyiv", "de")), UnsupportedLanguageException);
  await refused(comprehend, one(""), "InvalidRequestException");
  await refused(comprehend, new DetectSentimentCommand({ Text: "Kyiv", LanguageCode: "en" }), "UnknownOperationException");
  await refused(client(endpoint, "dl_wrong"), one("Kyiv"), "UnrecognizedClientException");
}
