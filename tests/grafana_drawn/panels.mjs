// What Grafana does to a panel's data before it draws it: transformations, then the settings of
// fields. `@grafana/data` has all of it but two things, which live in Grafana itself and stand
// here in short: the list of a field's settings (public/app/core/components/OptionsUI/registry.tsx)
// and the transformation `configFromData` (public/app/features/transformers/configFromQuery).

import {
  FieldColorModeId,
  FieldConfigOptionsRegistry,
  FieldType,
  ThresholdsMode,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  displayNameOverrideProcessor,
  getFieldMatcher,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  toDataFrame,
  transformDataFrame,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { lastValueFrom, map } from 'rxjs';

const configFromData = {
  id: 'configFromData',
  name: 'configFromData',
  defaultOptions: {},
  operator: (options) => (source) =>
    source.pipe(
      map((frames) => {
        const config = frames.find((frame) => frame.refId === options.configRefId);
        if (!config) {
          return frames;
        }
        const found = {};
        for (const { fieldName, handlerKey } of options.mappings) {
          const field = config.fields.find((each) => each.name === fieldName);
          if (field && handlerKey !== '__ignore') {
            found[handlerKey] = field.values.at(-1);
          }
        }
        const matches = getFieldMatcher(options.applyTo);
        return frames
          .filter((frame) => frame !== config)
          .map((frame) => ({
            ...frame,
            fields: frame.fields.map((field) =>
              matches(field, frame, frames) ? { ...field, config: { ...field.config, ...found } } : field
            ),
          }));
      })
    ),
};

standardTransformersRegistry.setInit(() =>
  // One of them has two names.
  [...new Set([...Object.values(standardTransformers), configFromData])].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
  }))
);

const always = () => true;
const numbers = (field) => field.type === FieldType.number;
const SETTINGS = [
  ['unit', unitOverrideProcessor, always],
  ['min', numberOverrideProcessor, numbers],
  ['max', numberOverrideProcessor, numbers],
  ['decimals', numberOverrideProcessor, numbers],
  ['displayName', displayNameOverrideProcessor, always, { expandTemplateVars: true }],
  ['color', identityOverrideProcessor, always],
  ['noValue', stringOverrideProcessor, always],
  ['links', identityOverrideProcessor, always],
  ['mappings', valueMappingsOverrideProcessor, (field) => field.type !== FieldType.time],
  ['thresholds', thresholdsOverrideProcessor, always],
  ['fieldMinMax', identityOverrideProcessor, numbers],
];

// What a panel has where its file says nothing, as far as these dashboards lean on it.
const PALETTE = new Set(['timeseries', 'trend', 'barchart']);
const GRAPHS = new Set(['timeseries', 'trend']);
const THRESHOLDS = {
  mode: ThresholdsMode.Absolute,
  steps: [
    { value: -Infinity, color: 'green' },
    { value: 80, color: 'red' },
  ],
};
const GRAPH = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  barAlignment: 0,
  spanNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
  axisCenteredZero: false,
  hideFrom: { tooltip: false, viz: false, legend: false },
  thresholdsStyle: { mode: 'off' },
};

function withDefaults(panel) {
  const given = panel.fieldConfig.defaults;
  return {
    overrides: panel.fieldConfig.overrides ?? [],
    defaults: {
      thresholds: THRESHOLDS,
      color: { mode: PALETTE.has(panel.type) ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds },
      ...given,
      custom: { ...(GRAPHS.has(panel.type) ? GRAPH : {}), ...given.custom },
    },
  };
}

function registry(fieldConfig) {
  const custom = new Set(Object.keys(fieldConfig.defaults.custom));
  for (const { properties } of fieldConfig.overrides) {
    for (const { id } of properties.filter(({ id }) => id.startsWith('custom.'))) {
      custom.add(id.slice('custom.'.length));
    }
  }
  const items = [
    ...SETTINGS.map(([id, process, shouldApply, settings = {}]) => ({ id, path: id, process, shouldApply, settings })),
    ...[...custom].map((path) => ({
      id: `custom.${path}`,
      path,
      isCustom: true,
      process: identityOverrideProcessor,
      shouldApply: always,
      settings: {},
    })),
  ].map((item) => ({ ...item, name: item.id }));
  return new FieldConfigOptionsRegistry(() => items);
}

export const themes = {
  light: createTheme({ colors: { mode: 'light' } }),
  dark: createTheme({ colors: { mode: 'dark' } }),
};
export const asIs = (text) => text;

// The frames that a panel draws, of those that its queries answered with.
export async function prepared(panel, frames, theme, timeZone) {
  const transformed = await lastValueFrom(
    transformDataFrame(panel.transformations ?? [], frames.map(toDataFrame), { interpolate: asIs })
  );
  const fieldConfig = withDefaults(panel);
  const data = applyFieldOverrides({
    data: transformed,
    fieldConfig,
    fieldConfigRegistry: registry(fieldConfig),
    replaceVariables: asIs,
    theme,
    timeZone,
  });
  // TablePanel and the panels of graphs do so first.
  cacheFieldDisplayNames(data);
  return { data, fieldConfig };
}
