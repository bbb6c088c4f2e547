// SPDX-License-Identifier: MIT
// pprof.mjs PROFILE: what the package pprof-format reads, as JSON: types, sums of values, stacks by names, build ids.
import fs from 'node:fs';
import zlib from 'node:zlib';
import {Profile} from 'pprof-format';

const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(process.argv[2])));
const text = (index) => profile.stringTable.strings[Number(index)];
const functions = new Map(profile.function.map((one) => [Number(one.id), text(one.name)]));
const locations = new Map(profile.location.map((one) => [
  Number(one.id), one.line.map((line) => functions.get(Number(line.functionId)))]));
const sums = profile.sampleType.map((_, i) => profile.sample.reduce((sum, sample) => sum + Number(sample.value[i]), 0));
console.log(JSON.stringify({
  sums: Object.fromEntries(profile.sampleType.map((type, i) => [`${text(type.type)}/${text(type.unit)}`, sums[i]])),
  stacks: profile.sample.map((sample) => sample.locationId.flatMap((id) => locations.get(Number(id)))),
  buildIds: profile.mapping.map((one) => text(one.buildId)),
  defaultSampleType: text(profile.defaultSampleType),
}));
