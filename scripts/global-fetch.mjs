// Stands in for node-fetch in the bundle, which brings its own HTTP client and URL parser; the runtime has both.
const { fetch, Headers, Request, Response } = globalThis;

export { fetch as default, Headers, Request, Response };
