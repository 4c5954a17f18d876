// Loads the packages of the service as an app without a bundle does: all of them at the start.
require('@azure/functions')
require('@azure/data-tables')
require('@azure/storage-queue')
require('@azure/storage-blob')
require('@azure/identity')
require('durable-functions')
require('zod')
