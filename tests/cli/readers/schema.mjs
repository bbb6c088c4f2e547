// SPDX-License-Identifier: MIT
// schema.mjs FILE: whether it is as speedscope's own schema wants it.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import Ajv from 'ajv';

const require = createRequire(import.meta.url);
const schema = require.resolve('speedscope/dist/release/file-format-schema.json');
const validate = new Ajv.default({strict: false}).compile(JSON.parse(fs.readFileSync(schema, 'utf8')));
const isValid = validate(JSON.parse(fs.readFileSync(process.argv[2], 'utf8')));
if (!isValid) console.error(JSON.stringify(validate.errors.slice(0, 5)));
process.exit(isValid ? 0 : 1);
