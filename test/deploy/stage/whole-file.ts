// The repository's compose file on a stage: its images built by its Dockerfile, its services as it states them.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type BuiltImage, buildImage } from './build-image.js'
import { type ComposeOptions, readCompose, type Service } from './compose-file.js'
import { type Image, nameOf, otherImage, unstaged } from './image.js'
import { openStage, type Stage } from './stage.js'

const composeFile = resolve('docker-compose.yml')

export interface Images extends AsyncDisposable {
  /** Of the services that are built here. */
  readonly built: readonly BuiltImage[]
  of(service: Service): Image
}

/** The services for which something can stand in here. */
export function stagedServices(options: ComposeOptions): Service[] {
  return readCompose(composeFile, options).filter(isStaged)
}

export function unstagedServices(options: ComposeOptions): Service[] {
  return readCompose(composeFile, options).filter((service) => !isStaged(service))
}

function isStaged({ image }: Service): boolean {
  return image === undefined || !unstaged.includes(nameOf(image))
}

/** Builds what services are built from. By its name, an image is for those as well that do not build it. */
export async function buildImages(services: readonly Service[]): Promise<Images> {
  const folder = await mkdtemp(join(tmpdir(), 'fluxmail-images-'))
  const images = new Map<string, BuiltImage>()
  for (const { build, image = '' } of services) {
    if (build === undefined) continue
    if (images.has(image)) throw new Error(`two services build ${image}: engines may do so at once, and fail`)
    images.set(image, await buildImage(build, await mkdtemp(join(folder, 'image-'))))
  }
  return {
    built: [...images.values()],
    of: ({ image = '' }) => images.get(image) ?? otherImage(image),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export function openWholeFile(services: readonly Service[], images: Images): Promise<Stage> {
  return openStage(services, new Map(services.map((service) => [service.name, images.of(service)])))
}
