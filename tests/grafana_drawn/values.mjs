// The display values of panels, in Node: questions in a file, answers in another.
//
// node values.js questions.json answers.json; `tests/test_grafana_drawn.py` runs it.

import { readFileSync, writeFileSync } from 'node:fs';

import { formattedValueToString, getFieldDisplayName, getFieldDisplayValues } from '@grafana/data';

import { asIs, prepared, themes } from './panels.mjs';

const FIGURES = new Set(['stat', 'gauge']);

async function answer({ panel, frames, timeZone, theme }) {
  const { data, fieldConfig } = await prepared(panel, frames, themes[theme], timeZone);
  const fields = data.map((frame) => ({
    refId: frame.refId,
    length: frame.length,
    fields: frame.fields.map((field) => ({
      name: field.name,
      type: field.type,
      title: getFieldDisplayName(field, frame, data),
      config: field.config,
      range: field.state?.range,
      values: field.values,
      texts: field.values.map((value) => formattedValueToString(field.display(value))),
      colors: field.values.map((value) => field.display(value).color),
    })),
  }));
  const figures = FIGURES.has(panel.type)
    ? getFieldDisplayValues({
        fieldConfig,
        reduceOptions: panel.options.reduceOptions,
        replaceVariables: asIs,
        theme: themes[theme],
        data,
        sparkline: false,
        timeZone,
      }).map(({ display, field }) => ({
        title: display.title,
        text: formattedValueToString(display),
        color: display.color,
        min: field.min,
        max: field.max,
      }))
    : [];
  return { frames: fields, figures };
}

const [, , questions, answers] = process.argv;
const asked = JSON.parse(readFileSync(questions, 'utf8'));
const said = {};
for (const [name, question] of Object.entries(asked)) {
  said[name] = await answer(question);
}
writeFileSync(answers, JSON.stringify(said));
