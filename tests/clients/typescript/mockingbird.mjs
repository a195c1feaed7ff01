// Sends made-up rows at a steady rate, as its users do to try a data source out.
import { TinybirdGenerator } from "@tinybirdco/mockingbird";

const generator = new TinybirdGenerator({
  endpoint: process.env.TINYBIRD_URL,
  datasource: "page_views",
  token: process.env.TINYBIRD_TOKEN,
  eps: 50,
  limit: 100,
  schema: {
    timestamp: { type: "mockingbird.datetimeNow" },
    pathname: { type: "mockingbird.pick", params: [{ values: ["/mock"] }] },
    session_id: { type: "string.uuid" },
  },
});
await generator.generate();
