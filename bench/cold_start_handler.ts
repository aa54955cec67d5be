/** Makes a handler and asks it for its health. */
import { createHandler } from "../sdk/server/mod.ts";

const app = createHandler({ classifier: { fork: () => { throw new Error("Nobody asks for this"); } } });
console.log(await (await app.request("/health")).json());
