// Where the data is: a variable that opens at the data source that deploy/grafana/provisioning brings.

export const provisioned = { name: 'Prometheus', uid: 'fluxmail-prometheus' }
export const source = { type: 'prometheus', uid: '$datasource' }
