// Loaded before a program: writes the URLs of all modules that it loads, as JSON, to descriptor 3.
'use strict';
const { writeSync } = require('node:fs');
const { registerHooks } = require('node:module');
const urls = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
process.on('exit', () => writeSync(3, JSON.stringify(urls)));
