/** Settings under the names of the options that people type; the peer writes some of them with an underscore. */

const settings: Readonly<Record<string, string>> = {
  'max-restart': 'maxRestart',
  max_restart: 'maxRestart',
  'max-relocate': 'maxRelocate',
  max_relocate: 'maxRelocate',
  'auto-rebalance': 'autoRebalance',
  memory: 'memoryMiB',
  disable: 'disabled',
};

/** The setting that is meant: `maxRestart` for `max-restart`; any other name means itself. */
export function settingOf(typed: string): string {
  return Object.hasOwn(settings, typed) ? (settings[typed] ?? typed) : typed;
}

/** How the setting is typed: `max-restart` for `maxRestart`. */
export function typedName(setting: string): string {
  return Object.keys(settings).find((typed) => settings[typed] === setting) ?? setting;
}
