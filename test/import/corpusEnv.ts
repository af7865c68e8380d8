/** The variables that the files in test/fixtures/import/corpus use. */
export const corpusEnv: Readonly<Record<string, string>> = {
  ADMIN_PASSWORD: 'pw',
  FIRST: '7',
  GRACE: '5',
  NONE: '0',
  NOVNC: 'True',
  POLLERS: '3',
  POOL: 'solo',
  RETENTION: '15d',
  ROLE: 'role1',
  SCREEN: '1280x720x24',
  SECRET_KEY: 'p#ss',
  VNC_PASSWORD: 'secret',
  WEB_AGAIN: 'off',
  WEB_ON: 'true',
  WEB_PRIORITY: '3',
};
