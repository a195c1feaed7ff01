// Calls what the SDK offers for data, and prints one JSON object of what came back.
import { createClient, createTinybirdApi } from "@tinybirdco/sdk";

const where = { baseUrl: process.env.TINYBIRD_URL, token: process.env.TINYBIRD_TOKEN };
const api = createTinybirdApi(where);
const view = (pathname) => ({ timestamp: "2024-01-15 10:30:00", pathname, session_id: "s1", country: null });
const seen = {};

seen.ingested = await api.ingest("page_views", view("/home"));
seen.batch = await api.ingestBatch("page_views", [view("/home"), view("/docs")]);
seen.top = (await api.query("top_pages", { start_date: "2024-01-01 00:00:00", limit: 5 })).data;
seen.sql = (await api.sql("SELECT count() AS total FROM page_views")).data;
seen.dryRun = await api.deleteDatasource("page_views", { deleteCondition: "pathname = '/docs'", dryRun: true });
await api.deleteDatasource("page_views", { deleteCondition: "pathname = '/docs'" });
for (let tries = 0; tries < 50; tries++) {
  seen.afterDelete = (await api.sql("SELECT count() AS total FROM page_views")).data;
  if (Number(seen.afterDelete[0].total) === 2) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const { token } = await createClient(where).tokens.createJWT({
  name: "visitor",
  expiresAt: new Date(Date.now() + 3600_000),
  scopes: [{ type: "PIPES:READ", resource: "top_pages", fixed_params: { limit: 1 } }],
});
const visitor = createTinybirdApi({ ...where, token });
seen.fixed = (await visitor.query("top_pages", { start_date: "2024-01-01 00:00:00" })).data;
seen.refused = await visitor.sql("SELECT 1 FROM page_views").then(() => "read", (error) => error.statusCode ?? error.status);
seen.missing = await api.query("nowhere", {}).then(() => "found", (error) => error.statusCode ?? error.status);
await api.truncateDatasource("page_views");
seen.afterTruncate = (await api.sql("SELECT count() AS total FROM page_views")).data;
console.log(JSON.stringify(seen));
