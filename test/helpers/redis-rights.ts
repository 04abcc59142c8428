// What a user of Redis has to be allowed for FluxMail, as the README says it; the tests have no more.

export const rights: readonly string[] = [
  ...['~{fluxmail}:*', 'resetchannels', '-@all', '+@read', '+@write', '+@transaction', '-@dangerous'],
  ...['+eval', '+evalsha', '+script|load', '+ping', '+select', '+info', '+time', '+wait'],
  '+client|setname',
]

export const clusterRights: readonly string[] = ['+cluster|info', '+cluster|keyslot', '+cluster|slots']
