import { defineDatasource, engine, t } from "@tinybirdco/sdk";

export const pageViews = defineDatasource("page_views", {
  description: "Page views",
  schema: {
    timestamp: t.dateTime(),
    pathname: t.string(),
    session_id: t.string(),
    country: t.string().lowCardinality().nullable(),
  },
  engine: engine.mergeTree({ sortingKey: ["pathname", "timestamp"] }),
});
