import { Tinybird } from "@tinybirdco/sdk";
import { pageViews } from "./datasources";
import { topPages } from "./pipes";
export const tinybird = new Tinybird({ datasources: { pageViews }, pipes: { topPages } });
