/** Set by the bundler, from package.json. */
declare const BUILD_VERSION: string | undefined

/** The version that runs; `unbuilt` where the sources run unbundled. */
export const VERSION: string = typeof BUILD_VERSION === 'string' ? BUILD_VERSION : 'unbuilt'
